"""From a network to the files of an export: precision, form, steps, and what cannot be written."""

import dataclasses
import pathlib
from collections.abc import Iterator

from edgelstm.comparison import tflm_folder
from edgelstm.comparison.measuring import Data
from edgelstm.comparison.use import file_stem
from edgelstm.devices.device import Device, check_exportable, read_device
from edgelstm.errors import ModelError
from edgelstm.files.disk import Contents, write_contents
from edgelstm.formats import AnyNetwork, check_replaced, encode
from edgelstm.formats.table import FORMATS, target_suffix
from edgelstm.formats.tensors import at
from edgelstm.model.network import Network
from edgelstm.quantization.quantizer import quantize
from edgelstm.tools import output
from edgelstm.tools.forms import choose_form
from edgelstm.tools.output import Tell
from edgelstm.tools.part import put_back
from edgelstm.tools.request import (
    HYBRID_DEVICE,
    IO,
    Request,
    check_source,
    choose_precision,
    default_device,
    file_steps,
    quantizable,
    read_data,
    suffix_named,
)
from edgelstm.verification.nodes import Replaced

WRITTEN = ("tflite", "onnx")


@dataclasses.dataclass(frozen=True, eq=False)
class Exported:
    """What was written, and from what.

    Attributes:
        name: The model's.
        original: The float network, if the file held one.
        network: What was written.
        precision: Of what was written.
        device: Where it is to run.
        form_reason: Why its integers have their form.
        steps: Per call of a `.tflite` file.
        data: For calibration and test.
        skipped: What was left out, and why.
        paths: The files.
        replaced: The larger graph that it was put back into.
    """

    name: str
    original: Network | None
    network: AnyNetwork
    precision: str
    device: Device
    form_reason: str | None
    steps: int
    data: Data
    skipped: list[str]
    paths: list[pathlib.Path]
    replaced: tuple[Replaced, ...] = ()


def write_files(
    network: AnyNetwork, name: str, request: Request, tell: Tell, data: Data | None = None
) -> Exported:
    """Quantizes and writes; `data` are those of the request where none are given."""
    device = read_device(request.device or default_device(network, request))
    check_exportable(device)
    precision, skipped = choose_precision(network, request, device)
    _check_hybrid(precision, device, request)
    data = data or read_data(network, request, precision)
    original = network if isinstance(network, Network) else None
    form, form_reason = choose_form(network, precision, request, device)
    to_quantize = quantizable(network, precision)
    if to_quantize:
        tell(what := f"quantizing to {precision}")
        told, calibration = output.percent(tell, what), list(data.calibration) or None
        with at(str(request.model or name)):
            network = quantize(to_quantize, calibration, precision, form, tell=told)
    steps = file_steps(network, request, data, skipped)
    skipped += _left_to_the_caller(network)
    about = device, form_reason, steps, data
    exported = Exported(name, original, network, precision, *about, skipped, paths=[])
    encoded = [
        (path, contents)
        for format_name in _formats(request, skipped)
        for path, contents in _encoded(exported, request, format_name)
    ]
    if not encoded:
        raise ModelError(f"nothing could be written: {'; '.join(skipped)}")
    for path, contents in encoded:
        check_source(request, path, contents)
        _check_replaced(path, name, request)
    make_folder(request.out)
    exported = dataclasses.replace(exported, replaced=put_back(network, request, tell))
    for path, contents in encoded:
        tell(f"writing {path.name}")
        write_contents(path, contents)
        exported.paths.append(path)
    return exported


def _check_hybrid(precision: str, device: Device, request: Request) -> None:
    """`ModelError` for a hybrid network where a microcontroller is meant."""
    if precision == "hybrid" and device.kind != "sbc":
        raise ModelError(
            f"no runtime of a microcontroller runs hybrid networks, and {device.name} is one; "
            f"use --precision int8, or --device {HYBRID_DEVICE}"
        )
    if precision == "hybrid" and request.as_array:
        raise ModelError(
            f"{tflm_folder.FORMAT} is for microcontrollers, and no runtime there runs hybrid "
            "networks; use --precision int8"
        )


def _check_replaced(path: pathlib.Path, name: str, request: Request) -> None:
    """`ModelError` if a folder stands there that holds files of others."""
    check_replaced(path)
    if request.as_array and path.suffix == ".tflite":
        tflm_folder.check_replaced(tflm_folder.beside(path), name)


def _left_to_the_caller(network: AnyNetwork) -> Iterator[str]:
    """What the network did that no file of its integers does."""
    if network.dropped_softmax:
        yield "softmax: the results are logits, with the same largest class"
    if network.input_mean is not None and network.input is not None:
        yield "normalisation: files take integers of (x - input_mean) / input_std"


def _formats(request: Request, skipped: list[str]) -> tuple[str, ...]:
    """Those asked for; else those that the target reads; else all."""
    if request.files or request.target is None:
        return request.files or WRITTEN
    only = target_suffix(request.target).lstrip(".")
    skipped += [
        f"{name}: target '{request.target}' reads .{only}" for name in WRITTEN if name != only
    ]
    return (only,)


def make_folder(folder: pathlib.Path) -> None:
    """The folder, with those above it; `ModelError` if it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(
            f"output folder {folder} cannot be made: {error.strerror}; give another with -o"
        ) from error


def _encoded(
    exported: Exported, request: Request, format_name: str
) -> Iterator[tuple[pathlib.Path, Contents]]:
    """A format asked for by name that has no form for the network is an error, else left out."""
    form = IO if request.streaming == "io" and format_name == "tflite" else ""
    suffix = suffix_named(format_name)
    path = request.out / f"{file_stem(exported.name, exported.network)}{form}{suffix}"
    core = exported.device.core
    try:
        contents = encode(
            exported.network,
            suffix,
            steps=exported.steps,
            streaming=request.streaming,
            target=core if core in FORMATS[suffix].targets else request.target,
            name=path.name,
        )
    except ModelError as error:
        if request.formats or request.target:
            raise
        exported.skipped.append(f"{format_name}: {error}")
    else:
        yield path, contents
