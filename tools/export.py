"""`edgelstm export`: read, quantize, write, check, and say whether the device holds it."""

import pathlib
from collections.abc import Iterator

import edgelstm
from edgelstm.comparison import calling, costs, measuring
from edgelstm.comparison.checked import measured_arena, tflite_of, verified
from edgelstm.comparison.use import file_stem, purpose, uses
from edgelstm.cost.count_ops import count
from edgelstm.cost.counts import Counts
from edgelstm.cost.energy import Energy, estimate
from edgelstm.cost.inference import inference_us
from edgelstm.cost.memory import Fit
from edgelstm.errors import ModelError
from edgelstm.files.disk import Contents, read_contents, write_whole
from edgelstm.formats import encode
from edgelstm.formats.table import suffix_of
from edgelstm.printable import printable_texts
from edgelstm.tools import output, tables
from edgelstm.tools.answer import Answer
from edgelstm.tools.cautions import cautions
from edgelstm.tools.export_report import Artifact, ExportReport
from edgelstm.tools.output import Tell
from edgelstm.tools.request import (
    Request,
    check_options,
    read_to_write,
)
from edgelstm.tools.written import Exported, write_files
from edgelstm.verification.results import FAILED, Verified


def main(request: Request, *, as_json: bool, quiet: bool) -> int:
    """Runs the command; returns its exit code."""
    with output.progress(quiet) as tell:
        check_options(request)
        tell("reading the model")
        network, name, request = read_to_write(request)
        exported = write_files(network, name, request, tell)
        report = check(exported, request, tell)
    path = request.out / f"{file_stem(exported.name, exported.network)}_report.json"
    write_whole(path, output.json_text(report.to_dict()).encode())
    for text in cautions(report):
        output.warn(text)
    if as_json:
        output.print_json(report.to_dict())
    elif not quiet:
        tables.print_export(printable_texts(report), path, explain=request.explain)
    return output.exit_code(report.failures)


def check(exported: Exported, request: Request, tell: Tell) -> ExportReport:
    """The report, with what failed."""
    checked = verified(exported.network, exported.paths, tell)
    given = exported.original, exported.network, exported.data
    measured = measuring.with_spread(measuring.measure(*given, tell), *given, tell)
    network, device = exported.network, exported.device
    counts = count(network, precision=exported.precision)
    energy = estimate(counts, device, request.kernels)
    fit, arena = _fit(exported, counts, energy.kernels, tell)
    answer, about = _answer(exported, counts, energy, fit), calling.called(network, exported.paths)
    return ExportReport(
        answer,
        form=network.form,
        form_reason=exported.form_reason,
        streaming=request.streaming,
        target=request.target,
        assumed=network.assumed,
        skipped=(*exported.skipped, *measuring.left_out(measured, exported.data)),
        artifacts=tuple(_artifact(path, exported, request) for path in exported.paths),
        accuracy=measured,
        verified=checked,
        macs=counts.total.macs,
        by_kernels=() if request.kernels else costs.by_kernels(counts, device, energy),
        input=network.input,
        output=network.output,
        called=about,
        use=uses(network, exported.paths, about.operators, arena),
        failures=tuple(_failures(checked, answer, request)),
        version=edgelstm.__version__,
    )


def _answer(exported: Exported, counts: Counts, energy: Energy, fit: Fit) -> Answer:
    device, steps = exported.device, exported.steps
    return Answer(
        exported.name,
        device.name,
        device_kind=device.kind,
        precision=exported.precision,
        fit=fit,
        energy=energy,
        file_reason=costs.no_file(exported.network, exported.precision, device),
        steps=steps,
        inference_us=inference_us(counts, device, energy, steps),
    )


def _artifact(path: pathlib.Path, exported: Exported, request: Request) -> Artifact:
    """Size of the file and of the same in float32, and what it is for."""
    is_for, not_for = purpose(exported.network, suffix_of(path))
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
        is_for=is_for,
        not_for=not_for,
    )


def _size_bytes(contents: Contents) -> int:
    return sum(map(len, contents.values()))


def _fit(exported: Exported, counts: Counts, kernels: str, tell: Tell) -> tuple[Fit, int | None]:
    """Also the smallest arena that ran here."""
    arena = size = None
    tflite = tflite_of(exported.paths)
    if tflite and exported.device.kind != "sbc":
        arena, size = measured_arena(exported.paths, tell), tflite.stat().st_size
    fit = costs.fitted(
        exported.network,
        counts,
        exported.device,
        exported.steps,
        runtime=costs.RUNTIMES[kernels],
        measured_bytes=arena,
        file_bytes=size,
    )
    return fit, arena


def _failures(checked: tuple[Verified, ...], answer: Answer, request: Request) -> Iterator[str]:
    for v in checked:
        if v.status in FAILED and (v.status != "refused" or request.target in (None, v.runtime)):
            yield f"{v.artifact} in {v.runtime}: {v.reason}"
    if answer.fit.fits is False:
        yield f"does not fit {answer.device}"
    if answer.file_reason and not (request.formats or request.target):
        yield answer.file_reason
