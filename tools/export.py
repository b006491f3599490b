"""`edgelstm export`: read, quantize, write, check, and say whether the device holds it."""

import pathlib
from collections.abc import Iterator

import edgelstm
from edgelstm.comparison import calling, costs, measuring, tflm_folder
from edgelstm.comparison.checked import measured_arena, tflite_of, verified
from edgelstm.comparison.folder import built, folder_fit, folder_report
from edgelstm.comparison.use import file_stem, purpose, uses
from edgelstm.cost.count_ops import count
from edgelstm.cost.counts import Counts
from edgelstm.cost.energy import Energy, estimate
from edgelstm.cost.inference import inference_us
from edgelstm.cost.memory import Fit
from edgelstm.errors import ModelError
from edgelstm.files.disk import Contents, read_contents, write_contents, write_whole
from edgelstm.formats import AnyNetwork, encode, facts
from edgelstm.formats.c.read import REPORT
from edgelstm.formats.table import suffix_of
from edgelstm.printable import printable_texts
from edgelstm.tools import output, tables, verdict
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
        report, path = exported_report(network, name, request, tell)
    for text in cautions(report):
        output.warn(text)
    if as_json:
        output.print_json(report.to_dict())
    elif not quiet:
        tables.print_export(printable_texts(report), path, explain=request.explain)
    return output.exit_code(report.failures)


def exported_report(
    network: AnyNetwork, name: str, request: Request, tell: Tell, data: measuring.Data | None = None
) -> tuple[ExportReport, pathlib.Path]:
    """The files of a network and their report, written and checked; and where the report lies.

    Args:
        network: Float or quantized.
        name: What its files are called after.
        request: Device, precision, folder.
        tell: Called with what is going on.
        data: For calibration and test; None: those of the request.
    """
    exported = write_files(network, name, request, tell, data)
    report = check(exported, request, tell)
    path = request.out / f"{file_stem(exported.name, exported.network)}_report.json"
    _write_reports(report, path)
    return report, path


def _write_reports(report: ExportReport, path: pathlib.Path) -> None:
    """The report, and in a folder of C what concerns it."""
    found = report.to_dict()
    write_whole(path, output.json_text(found).encode())
    for artifact in report.artifacts:
        if artifact.format == "c":
            own = folder_report(found, artifact.path, artifact.built)
            write_whole(pathlib.Path(artifact.path) / REPORT, output.json_text(own).encode())


def check(exported: Exported, request: Request, tell: Tell) -> ExportReport:
    """The report, with what failed."""
    checked = verified(exported.network, exported.paths, tell)
    given = exported.original, exported.network, exported.data
    measured = measuring.with_spread(measuring.measure(*given, tell), *given, tell)
    network, device = exported.network, exported.device
    counts = count(network, precision=exported.precision)
    about, arena = calling.called(network, exported.paths), _arena(exported, tell)
    used = uses(network, exported.paths, about.operators, arena, device.core)
    chosen = next(use for use in used if use.device_kind == device.kind)
    kernels = request.kernels or costs.kernels_of(counts, device, chosen.runtime)
    energy = estimate(counts, device, kernels)
    artifacts = tuple(
        _artifact(path, (exported, checked, counts, arena), request) for path in exported.paths
    )
    if request.as_array:
        artifacts += (_as_array(exported, about, artifacts, arena),)
    fit = next((a.fit for a in artifacts if a.path == chosen.artifact and a.fit), None)
    answer = _answer(exported, counts, energy, fit or _fit(exported, counts, energy.kernels))
    return ExportReport(
        answer,
        form=network.form,
        form_reason=exported.form_reason,
        streaming=request.streaming,
        target=request.target,
        assumed=network.assumed,
        skipped=(*exported.skipped, *measuring.left_out(measured, exported.data)),
        artifacts=artifacts,
        accuracy=measured,
        verified=checked,
        macs=counts.total.macs,
        by_kernels=() if request.kernels else costs.by_kernels(counts, device, energy),
        input=network.input,
        output=network.output,
        called=about,
        use=used,
        replaced=exported.replaced,
        failures=tuple(_failures(checked, answer, artifacts, request)),
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


def _artifact(
    path: pathlib.Path,
    known: tuple[Exported, tuple[Verified, ...], Counts, int | None],
    request: Request,
) -> Artifact:
    """Size of the file and of the same in float32, what it is for, and whether it fits."""
    exported, checked, counts, arena = known
    is_for, not_for = purpose(exported.network, suffix_of(path))
    is_folder = suffix_of(path) == "_c"
    made = built(path, checked) if is_folder else None
    return Artifact(
        str(path),
        suffix_of(path).lstrip("._"),
        size_bytes=_size_bytes(read_contents(path)),
        float32_bytes=_float_bytes(path, exported, request),
        is_for=is_for,
        not_for=not_for,
        fit=folder_fit(path, made, counts, exported.device)
        if is_folder
        else _file_fit(path, exported, counts, arena),
        built=made,
    )


def _as_array(
    exported: Exported, about: calling.Called, artifacts: tuple[Artifact, ...], arena: int | None
) -> Artifact:
    """The `.tflite` file once more, as C++."""
    path = tflite_of(exported.paths)
    assert path is not None, "it is written with it"
    fit = next(artifact.fit for artifact in artifacts if artifact.path == str(path))
    assert fit is not None, "something on every device runs it"
    network, how = exported.network, facts(path)
    recipe = tflm_folder.Recipe(
        exported.name,
        path.name,
        how,
        about.reset["tflm"] if about.reset else None,
        arena or fit.ram_bytes,
        tflm_folder.MEASURED if arena else tflm_folder.DERIVED,
        (network.input_size, network.output_size),
        1 if network.last_step else how.steps or 1,
    )
    contents = tflm_folder.folder(path.read_bytes(), recipe)
    write_contents(tflm_folder.beside(path), contents)
    return Artifact(
        str(tflm_folder.beside(path)),
        tflm_folder.FORMAT,
        size_bytes=_size_bytes(contents),
        float32_bytes=None,
        is_for="microcontrollers, in a build of TensorFlow Lite Micro",
        not_for=None,
        fit=fit,
    )


def _float_bytes(path: pathlib.Path, exported: Exported, request: Request) -> int | None:
    if exported.original is None or exported.precision == "float32":
        return None
    suffix, steps, streaming = suffix_of(path), exported.steps, request.streaming
    try:
        return _size_bytes(encode(exported.original, suffix, steps=steps, streaming=streaming))
    except ModelError:
        return None


def _size_bytes(contents: Contents) -> int:
    return sum(map(len, contents.values()))


def _arena(exported: Exported, tell: Tell) -> int | None:
    """The smallest arena that ran here."""
    if exported.device.kind == "sbc" or tflite_of(exported.paths) is None:
        return None
    return measured_arena(exported.paths, tell)


def _file_fit(
    path: pathlib.Path, exported: Exported, counts: Counts, arena: int | None
) -> Fit | None:
    """Of one file; None where nothing on the device runs it."""
    if exported.device.kind == "sbc":
        return _fit(exported, counts, "interpreter-python")
    if suffix_of(path) != ".tflite":
        return None
    return _fit(exported, counts, "tflm", arena, path.stat().st_size)


def _fit(
    exported: Exported,
    counts: Counts,
    kernels: str,
    arena: int | None = None,
    size: int | None = None,
) -> Fit:
    return costs.fitted(
        exported.network,
        counts,
        exported.device,
        exported.steps,
        runtime=costs.RUNTIMES[kernels],
        measured_bytes=arena,
        file_bytes=size,
    )


def _failures(
    checked: tuple[Verified, ...],
    answer: Answer,
    artifacts: tuple[Artifact, ...],
    request: Request,
) -> Iterator[str]:
    for v in checked:
        if v.status in FAILED and (v.status != "refused" or request.target in (None, v.runtime)):
            yield f"{v.artifact} in {v.runtime}: {v.reason}"
    others = [artifact.fit.fits for artifact in artifacts if artifact.fit]
    if answer.fit.fits is False and not any(fits is not False for fits in others):
        yield f"does not fit {answer.device}: {verdict.too_much(answer.fit)}"
    if answer.file_reason and not (request.formats or request.target):
        yield answer.file_reason
