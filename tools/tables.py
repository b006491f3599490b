"""What `export` and `verify` say on the terminal."""

import pathlib
from collections.abc import Iterator, Sequence

from edgelstm.comparison.calling import Called
from edgelstm.comparison.measuring import Accuracy
from edgelstm.comparison.use import Use
from edgelstm.text import counted
from edgelstm.tools import verdict
from edgelstm.tools.export_report import Artifact, ExportReport
from edgelstm.tools.output import print_filled, print_heading, print_line, print_table
from edgelstm.tools.profile_tables import KERNEL_HEADINGS, kernel_rows
from edgelstm.verification.nodes import Replaced
from edgelstm.verification.results import Verified


def print_export(report: ExportReport, path: pathlib.Path, *, explain: bool) -> None:
    """The report of `export`.

    Args:
        report: What was written and checked.
        path: Where the report lies.
        explain: Also what the figures stand on.
    """
    answer = report.answer
    where = f"{answer.precision}, {counted(answer.steps, 'step')} a call"
    print_heading(answer.model, f"{where}, for {answer.device}")
    print_table("", ("", ""), [*verdict.rows(answer), *_accuracy_rows(report.accuracy)])
    print_line()
    print_table("Files", ("file", ">bytes", ">of float32"), map(_file_row, report.artifacts))
    print_line()
    if report.replaced:
        print_table("The graph with it in place", REPLACED, map(_replaced_row, report.replaced))
        print_line()
    print_verified(report.verified)
    print_line()
    print_filled("Input and output", ("", ""), _end_rows(report))
    print_filled("With other kernels", KERNEL_HEADINGS, kernel_rows(report.by_kernels))
    for text in (*_told(report), *(_notes(report) if explain else ())):
        print_line(f"note: {text}", style="dim")
    if not explain:
        verdict.print_explain()
    print_line(f"report: {path}", whole=True)
    for use in report.use:
        print_line(_use(use), whole=True)


REPLACED = ("file", ">bytes", ">before", ">signal to noise")


def _replaced_row(found: Replaced) -> tuple[str, ...]:
    """The lowest of the graph's outputs."""
    ratios = [snr for snr in found.snr_db.values() if snr is not None]
    lowest = f"{min(ratios):.1f} dB" if ratios else "equal" if found.snr_db else "-"
    return found.path, f"{found.bytes_after:,}", f"{found.bytes_before:,}", lowest


def _use(use: Use) -> str:
    where = {"mcu": "for a microcontroller", "sbc": "for a Raspberry Pi"}[use.device_kind]
    if use.artifact is None:
        return f"{where}: none of these files; {use.reason}"
    does = {"mcu": "flash", "sbc": "run"}[use.device_kind]
    name = pathlib.Path(use.artifact).name
    return f"{where}: {does} {name} (runtime: {use.runtime}, {use.reason})"


def _told(report: ExportReport) -> Iterator[str]:
    """What is said always: what nobody asked for, and what was not done."""
    yield from (f"assumed: {text}" for text in report.assumed)
    yield from (f"left out: {text}" for text in report.skipped)
    yield from _called(report.called)
    for found in report.replaced:
        yield f"node {found.node}: {found.form}"
        if found.reason or found.fed == "random":
            yield f"node {found.node}: {found.reason or 'compared on random input'}"
    for artifact in report.artifacts:
        if artifact.not_for:
            yield f"{pathlib.Path(artifact.path).name}: not for {artifact.not_for}"


def _called(called: Called) -> Iterator[str]:
    """Of a `.tflite` file of step graphs that keeps a state: what its caller must do."""
    if called.resource_variables:
        yield (
            f"the .tflite file keeps {counted(called.resource_variables, 'resource variable')}; a "
            "new sequence begins with the signature 'reset' in LiteRT, with Reset() in TensorFlow "
            "Lite Micro, which needs MicroResourceVariables for as many"
        )
    elif called.operators and called.states:
        names = ", ".join(state["input"] for state in called.states)
        yield f"the .tflite file takes its states as inputs: {names}, zeros at the start"


def _notes(report: ExportReport) -> Iterator[str]:
    """What the figures stand on."""
    formats = [artifact.format for artifact in report.artifacts]
    if report.answer.precision == "int8" and "onnx" in formats:
        yield "the int8 .onnx is the exact twin for checking: lookup tables of 131 KB each, slow"
    yield f"fit: {report.answer.fit.basis}"
    yield from (f"time and energy: {text}" for text in report.answer.energy.notes)


def _file_row(artifact: Artifact) -> tuple[str, str, str]:
    share = artifact.float32_bytes
    return (
        artifact.path,
        f"{artifact.size_bytes:,}",
        f"{artifact.size_bytes / share:.0%}" if share else "-",
    )


def print_verified(verified: Sequence[Verified]) -> None:
    """One row per file and runtime, then why one did not run or differs."""
    columns = ("file", "runtime", "status", ">values", ">differ", ">largest difference")
    print_table("Checked value by value", columns, map(_verified_row, verified))
    for reason in dict.fromkeys(_reason(v.runtime, v.reason) for v in verified if v.reason):
        print_line(reason, style="dim", whole=True)  # a line to copy


def _reason(runtime: str, reason: str) -> str:
    return reason if reason.startswith(runtime) else f"{runtime}: {reason}"


def _verified_row(row: Verified) -> tuple[str, ...]:
    largest = row.max_difference
    return (
        pathlib.Path(row.artifact).name,
        row.runtime,
        row.status,
        f"{row.values:,}",
        "-" if row.mismatches is None else f"{row.mismatches:,}",
        "-" if largest is None else f"{largest:.2g}",
    )


def _accuracy_rows(measured: Accuracy) -> Iterator[tuple[str, str]]:
    """What quantizing cost, where it was measured."""
    before, after = measured.float_share, measured.quantized_share
    named = (("float", before), ("quantized", after))
    shares = [f"{name} {share:.2%}" for name, share in named if share is not None]
    if before is not None and after is not None:
        lost = round(100 * (before - after), 2) + 0.0  # no -0
        yield "accuracy lost", f"{lost:.2f} points: {', '.join(shares)}, {measured.metric}"
    elif measured.metric:
        yield "accuracy", f"{', '.join(shares)}, {measured.metric}"
    if measured.snr_db is not None:
        layers = ", ".join(
            f"{name} equal" if snr is None else f"{name} {snr:.1f} dB"
            for name, snr in measured.layer_snr_db.items()
        )
        on = ", on random input" if measured.calibration in ("random", "none") else ""
        yield "signal to noise", f"{measured.snr_db:.1f} dB against float ({layers}){on}"


def _end_rows(report: ExportReport) -> Iterator[tuple[str, str]]:
    """What integers stand for."""
    for name, end in (("input", report.input), ("output", report.output)):
        if end:
            real = f"{end.scale:.9g} * (q - {end.zero_point})".replace("- -", "+ ")
            yield name, f"{end.type} q stands for {real}"
