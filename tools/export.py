"""`edgelstm export`: read, quantize, write, check, and say whether the device holds it."""

import dataclasses
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import edgelstm
from edgelstm.cost.count_ops import count
from edgelstm.cost.counts import Counts
from edgelstm.cost.cycles import default_kernels
from edgelstm.cost.memory import Fit
from edgelstm.devices.device import Device, check_exportable, read_device
from edgelstm.errors import ModelError
from edgelstm.files.disk import write_whole
from edgelstm.formats import AnyNetwork, encode, target_suffix
from edgelstm.formats.tensors import at
from edgelstm.model.network import Network
from edgelstm.printable import printable_texts
from edgelstm.quantization.quantizer import quantize
from edgelstm.runtimes.arena import smallest_arena
from edgelstm.tools import costs, measuring, output, tables
from edgelstm.tools.cautions import cautions
from edgelstm.tools.output import Tell
from edgelstm.tools.request import (
    HYBRID_DEVICE,
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
from edgelstm.verification.verifier import FAILED, SERVES, Verified, verify

WRITTEN = ("tflite", "onnx")


@dataclasses.dataclass(frozen=True, eq=False)
class Exported:
    """What was written, and from what.

    Attributes:
        name: The model's.
        original: The float network, if the file held one.
        network: What was written.
        precision: Of what was written.
        counts: Of a step of it.
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
    counts: Counts
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
    write_whole(path, (json.dumps(report, indent=2, allow_nan=False) + "\n").encode())
    for text in cautions(report):
        output.warn(text)
    if as_json:
        output.print_json(report)
    elif not quiet:
        answer = costs.answer(
            exported.network, exported.counts, exported.device, request.kernels, report["steps"]
        )
        tables.print_export(
            printable_texts(report),
            printable_texts(report | answer),
            path,
            explain=request.explain,
        )
    return output.exit_code(report["failures"])


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
    counts = count(network, precision=precision)
    about = precision, counts, device, steps, data, skipped
    exported = Exported(name, original, network, *about, paths=[])
    contents = [
        (path, content)
        for format_name in _formats(request, skipped)
        for path, content in _encoded(exported, request, format_name)
    ]
    if not contents:
        raise ModelError(f"nothing could be written: {'; '.join(skipped)}")
    for path, content in contents:
        check_source(request, path, content)
    _make_folder(request.out)
    for path, content in contents:
        tell(f"writing {path.name}")
        write_whole(path, content)
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
) -> Iterator[tuple[pathlib.Path, bytes]]:
    """A format asked for by name that has no form for the network is an error, else left out."""
    path = request.out / f"{exported.name}_{exported.precision}.{format_name}"
    try:
        content = encode(
            exported.network,
            path.suffix,
            steps=exported.steps,
            streaming=request.streaming,
            target=request.target,
        )
    except ModelError as error:
        if request.formats or request.target:
            raise
        exported.skipped.append(f"{format_name}: {error}")
    else:
        yield path, content


def check(exported: Exported, request: Request, tell: Tell) -> dict[str, Any]:
    """The report, with what failed."""
    verified = _verify(exported, tell)
    measured = measuring.measure(exported.original, exported.network, exported.data, tell)
    fitted = _fit(exported, request, tell)
    return {
        "model": exported.name,
        "device": exported.device.name,
        "precision": exported.precision,
        "steps": exported.steps,
        "streaming": request.streaming,
        "target": request.target,
        "assumed": list(exported.network.assumed),
        "skipped": exported.skipped + measuring.left_out(measured, exported.data),
        "artifacts": [_artifact(path, exported, request) for path in exported.paths],
        "fit": fitted.to_dict(),
        "accuracy": measured,
        "verified": [v.to_dict() for v in verified],
        "per_step": costs.per_step(exported.counts, exported.device, request.kernels),
        **_ends(exported.network),
        "failures": _failures(verified, fitted, exported, request),
        "version": edgelstm.__version__,
    }


def _ends(network: AnyNetwork) -> dict[str, Any]:
    """Type of x and y in the files; an integer q stands for scale * (q - zero_point)."""
    ends = network.input, network.output
    real = {"scale": None, "zero_point": None, "type": "float32"}
    described = (dataclasses.asdict(end) if end else real for end in ends)
    return dict(zip(("input", "output"), described, strict=True))


def _artifact(path: pathlib.Path, exported: Exported, request: Request) -> dict[str, Any]:
    """Size of the file and of the same in float32, and whether something on the device runs it."""
    runs = costs.written_for(exported.network, exported.precision, exported.device)
    float_bytes = None
    if exported.original and exported.precision != "float32":
        try:
            float_bytes = len(
                encode(
                    exported.original,
                    path.suffix,
                    steps=exported.steps,
                    streaming=request.streaming,
                )
            )
        except ModelError:
            float_bytes = None
    return {
        "path": str(path),
        "format": path.suffix.lstrip("."),
        "bytes": path.stat().st_size,
        "float32_bytes": float_bytes,
        "not_for": None if path.suffix in runs else exported.device.name,
    }


def _verify(exported: Exported, tell: Tell) -> list[Verified]:
    found: list[Verified] = []
    for path in exported.paths:
        if (path.suffix, exported.precision) in SERVES:
            found += verify(
                path,
                exported.network,
                tell=lambda file, runtime: tell(f"checking {file} in {runtime}"),
            ).verified
    return found


def _fit(exported: Exported, request: Request, tell: Tell) -> Fit:
    arena = size = None
    tflite = next((p for p in exported.paths if p.suffix == ".tflite"), None)
    if tflite and exported.device.kind != "sbc":
        tell("finding the smallest arena")
        arena, size = smallest_arena(tflite), tflite.stat().st_size
    counts = exported.counts
    return costs.fitted(
        exported.network,
        counts,
        exported.device,
        steps=exported.steps,
        runtime=costs.RUNTIMES[request.kernels or default_kernels(counts, exported.device)],
        measured_bytes=arena,
        file_bytes=size,
    )


def _failures(
    verified: list[Verified], fitted: Fit, exported: Exported, request: Request
) -> list[str]:
    failures = [
        f"{v.artifact} in {v.runtime}: {v.reason}"
        for v in verified
        if v.status in FAILED and (v.status != "refused" or request.target in (None, v.runtime))
    ]
    if fitted.fits is False:
        failures.append(f"does not fit {exported.device.name}")
    reason = costs.no_file(exported.network, exported.precision, exported.device)
    if reason and not (request.formats or request.target):
        failures.append(reason)
    return failures
