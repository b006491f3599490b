"""`edgelstm export`: read, quantize, write, check, and say whether the device holds it."""

import dataclasses
import pathlib
from collections.abc import Iterator

import edgelstm
from edgelstm.cost.count_ops import count
from edgelstm.cost.counts import Counts
from edgelstm.cost.energy import estimate
from edgelstm.cost.inference import inference_us
from edgelstm.cost.memory import Fit
from edgelstm.devices.device import Device, check_exportable, read_device
from edgelstm.errors import ModelError
from edgelstm.files.disk import Contents, read_contents, write_contents, write_whole
from edgelstm.formats import (
    FORMATS,
    AnyNetwork,
    encode,
    suffix_named,
    suffix_of,
    target_suffix,
)
from edgelstm.formats.tensors import at
from edgelstm.model.network import Network
from edgelstm.printable import printable_texts
from edgelstm.quantization.quantizer import quantize
from edgelstm.runtimes.arena import smallest_arena
from edgelstm.tools import calling, costs, measuring, output, tables
from edgelstm.tools.answer import Answer
from edgelstm.tools.cautions import cautions
from edgelstm.tools.export_report import Artifact, ExportReport
from edgelstm.tools.output import Tell
from edgelstm.tools.request import (
    HYBRID_DEVICE,
    IO,
    Data,
    Request,
    check_options,
    check_source,
    choose_precision,
    default_device,
    file_steps,
    quantizable,
    read_data,
    read_to_write,
)
from edgelstm.verification.results import FAILED, Verified
from edgelstm.verification.verifier import SERVES, verify

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
        steps: Per call of a `.tflite` file.
        data: For calibration and test.
        skipped: What was left out, and why.
        paths: The files.
    """

    name: str
    original: Network | None
    network: AnyNetwork
    precision: str
    device: Device
    steps: int
    data: Data
    skipped: list[str]
    paths: list[pathlib.Path]


def main(request: Request, *, as_json: bool, quiet: bool) -> int:
    """Runs the command; returns its exit code."""
    with output.progress(quiet) as tell:
        check_options(request)
        tell("reading the model")
        network, name, request = read_to_write(request)
        exported = write_files(network, name, request, tell)
        report = check(exported, request, tell)
    path = request.out / f"{exported.name}_{exported.precision}_report.json"
    write_whole(path, output.json_text(report.to_dict()).encode())
    for text in cautions(report):
        output.warn(text)
    if as_json:
        output.print_json(report.to_dict())
    elif not quiet:
        tables.print_export(printable_texts(report), path, explain=request.explain)
    return output.exit_code(report.failures)


def write_files(network: AnyNetwork, name: str, request: Request, tell: Tell) -> Exported:
    """Quantizes and writes."""
    device = read_device(request.device or default_device(network, request))
    check_exportable(device)
    precision, skipped = choose_precision(network, request, device)
    if precision == "hybrid" and device.kind != "sbc":
        raise ModelError(
            f"no runtime of a microcontroller runs hybrid networks, and {device.name} is one; "
            f"use --precision int8, or --device {HYBRID_DEVICE}"
        )
    data = read_data(network, request, precision)
    original = network if isinstance(network, Network) else None
    to_quantize = quantizable(network, precision)
    if to_quantize:
        tell(what := f"quantizing to {precision}")
        told, calibration = output.percent(tell, what), list(data.calibration) or None
        with at(str(request.model or name)):
            network = quantize(to_quantize, calibration, precision, tell=told)
    steps = file_steps(network, request, data, skipped)
    if network.dropped_softmax:
        skipped.append("softmax: the results are logits, with the same largest class")
    exported = Exported(name, original, network, precision, device, steps, data, skipped, paths=[])
    encoded = [
        (path, contents)
        for format_name in _formats(request, skipped)
        for path, contents in _encoded(exported, request, format_name)
    ]
    if not encoded:
        raise ModelError(f"nothing could be written: {'; '.join(skipped)}")
    for path, contents in encoded:
        check_source(request, path, contents)
    _make_folder(request.out)
    for path, contents in encoded:
        tell(f"writing {path.name}")
        write_contents(path, contents)
        exported.paths.append(path)
    return exported


def _formats(request: Request, skipped: list[str]) -> tuple[str, ...]:
    """Those asked for; else those that the target reads; else all."""
    if request.formats or request.target is None:
        return request.formats or WRITTEN
    only = target_suffix(request.target).lstrip(".")
    skipped += [
        f"{name}: target '{request.target}' reads .{only}" for name in WRITTEN if name != only
    ]
    return (only,)


def _make_folder(folder: pathlib.Path) -> None:
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
    suffix = suffix_named(format_name)
    form = IO if request.streaming == "io" and format_name == "tflite" else ""
    path = request.out / f"{exported.name}_{exported.precision}{form}{suffix}"
    core = exported.device.core
    target = core if core in FORMATS[suffix].targets else request.target
    try:
        contents = encode(
            exported.network,
            suffix,
            steps=exported.steps,
            streaming=request.streaming,
            target=target,
            name=path.name,
        )
    except ModelError as error:
        if request.formats or request.target:
            raise
        exported.skipped.append(f"{format_name}: {error}")
    else:
        yield path, contents


def check(exported: Exported, request: Request, tell: Tell) -> ExportReport:
    """The report, with what failed."""
    verified = _verify(exported, tell)
    measured = measuring.measure(exported.original, exported.network, exported.data, tell)
    network, device = exported.network, exported.device
    counts = count(network, precision=exported.precision)
    energy = estimate(counts, device, request.kernels)
    answer = Answer(
        exported.name,
        device.name,
        device_kind=device.kind,
        precision=exported.precision,
        fit=_fit(exported, counts, energy.kernels, tell),
        energy=energy,
        file_reason=costs.no_file(network, exported.precision, device),
        steps=exported.steps,
        inference_us=inference_us(counts, device, energy, exported.steps),
    )
    return ExportReport(
        answer,
        streaming=request.streaming,
        target=request.target,
        assumed=network.assumed,
        skipped=(*exported.skipped, *measuring.left_out(measured, exported.data)),
        artifacts=tuple(_artifact(path, exported, request) for path in exported.paths),
        accuracy=measured,
        verified=verified,
        macs=counts.total.macs,
        by_kernels=() if request.kernels else costs.by_kernels(counts, device, energy),
        input=network.input,
        output=network.output,
        called=calling.called(network, exported.paths),
        failures=tuple(_failures(verified, answer, request)),
        version=edgelstm.__version__,
    )


def _artifact(path: pathlib.Path, exported: Exported, request: Request) -> Artifact:
    """Size of the file and of the same in float32, and whether something on the device runs it."""
    runs = costs.written_for(exported.network, exported.precision, exported.device)
    float_bytes = None
    if exported.original and exported.precision != "float32":
        try:
            float_bytes = _size_bytes(
                encode(
                    exported.original,
                    suffix_of(path),
                    steps=exported.steps,
                    streaming=request.streaming,
                )
            )
        except ModelError:
            float_bytes = None
    return Artifact(
        str(path),
        suffix_of(path).lstrip("._"),
        size_bytes=_size_bytes(read_contents(path)),
        float32_bytes=float_bytes,
        not_for=None if suffix_of(path) in runs else exported.device.name,
    )


def _size_bytes(contents: Contents) -> int:
    return sum(map(len, contents.values()))


def _verify(exported: Exported, tell: Tell) -> tuple[Verified, ...]:
    found: list[Verified] = []
    for path in exported.paths:
        if (suffix_of(path), exported.precision) in SERVES:
            found += verify(
                path,
                exported.network,
                tell=lambda file, runtime: tell(f"checking {file} in {runtime}"),
            ).verified
    return tuple(found)


def _fit(exported: Exported, counts: Counts, kernels: str, tell: Tell) -> Fit:
    arena = size = None
    tflite = next((p for p in exported.paths if p.suffix == ".tflite"), None)
    if tflite and exported.device.kind != "sbc":
        tell("finding the smallest arena")
        arena, size = smallest_arena(tflite), tflite.stat().st_size
    return costs.fitted(
        exported.network,
        counts,
        exported.device,
        exported.steps,
        runtime=costs.RUNTIMES[kernels],
        measured_bytes=arena,
        file_bytes=size,
    )


def _failures(verified: tuple[Verified, ...], answer: Answer, request: Request) -> Iterator[str]:
    for v in verified:
        if v.status in FAILED and (v.status != "refused" or request.target in (None, v.runtime)):
            yield f"{v.artifact} in {v.runtime}: {v.reason}"
    if answer.fit.fits is False:
        yield f"does not fit {answer.device}"
    if answer.file_reason and not (request.formats or request.target):
        yield answer.file_reason
