"""What `export` and `verify` say on the terminal."""

import pathlib
from collections.abc import Iterator, Sequence

from edgelstm.text import counted
from edgelstm.tools import verdict
from edgelstm.tools.output import Report, print_filled, print_heading, print_line, print_table
from edgelstm.tools.profile_tables import KERNEL_HEADINGS, kernel_rows


def print_export(report: Report, answer: Report, path: pathlib.Path, *, explain: bool) -> None:
    """The report of `export`.

    Args:
        report: The object of `--json`.
        answer: As `verdict` takes it.
        path: Where the report lies.
        explain: Also what the figures stand on.
    """
    where = f"{report['precision']}, {counted(report['steps'], 'step')} a call"
    print_heading(report["model"], f"{where}, for {report['device']}")
    print_table("", ("", ""), [*verdict.rows(answer), *_accuracy_rows(report["accuracy"])])
    print_line()
    print_table("Files", ("file", ">bytes", ">of float32"), map(_file_row, report["artifacts"]))
    print_line()
    print_verified(report["verified"])
    print_line()
    print_filled("Input and output", ("", ""), _end_rows(report))
    print_filled("With other kernels", KERNEL_HEADINGS, kernel_rows(report["per_step"]))
    for text in (*_told(report), *(_notes(report) if explain else ())):
        print_line(f"note: {text}", style="dim")
    if not explain:
        verdict.print_explain()
    print_line(f"report: {path}", whole=True)


def _told(report: Report) -> Iterator[str]:
    """What is said always: what nobody asked for, and what was not done."""
    yield from (f"assumed: {text}" for text in report["assumed"])
    yield from (f"left out: {text}" for text in report["skipped"])
    for artifact in report["artifacts"]:
        if artifact["not_for"]:
            yield f"{pathlib.Path(artifact['path']).name}: not for {artifact['not_for']}"


def _notes(report: Report) -> Iterator[str]:
    """What the figures stand on."""
    formats = [artifact["format"] for artifact in report["artifacts"]]
    if report["precision"] == "int8" and "onnx" in formats:
        yield "the int8 .onnx is the exact twin for checking: lookup tables of 131 KB each, slow"
    yield f"fit: {report['fit']['basis']}"
    yield from (f"time and energy: {text}" for text in report["per_step"]["notes"])


def _file_row(artifact: Report) -> tuple[str, str, str]:
    share = artifact["float32_bytes"]
    return (
        artifact["path"],
        f"{artifact['bytes']:,}",
        f"{artifact['bytes'] / share:.0%}" if share else "-",
    )


def print_verified(verified: Sequence[Report]) -> None:
    """One row per file and runtime, then why one did not run or differs."""
    columns = ("file", "runtime", "status", ">values", ">differ", ">largest difference")
    print_table("Checked value by value", columns, map(_verified_row, verified))
    for reason in dict.fromkeys(_reason(v) for v in verified if v["reason"]):
        print_line(reason, style="dim", whole=True)  # a line to copy


def _reason(row: Report) -> str:
    runtime, reason = row["runtime"], row["reason"]
    return str(reason) if reason.startswith(runtime) else f"{runtime}: {reason}"


def _verified_row(row: Report) -> tuple[str, ...]:
    largest = row["max_difference"]
    return (
        pathlib.Path(row["artifact"]).name,
        row["runtime"],
        row["status"],
        f"{row['values']:,}",
        "-" if row["mismatches"] is None else f"{row['mismatches']:,}",
        "-" if largest is None else f"{largest:.2g}",
    )


def _accuracy_rows(measured: Report) -> Iterator[tuple[str, str]]:
    """What quantizing cost, where it was measured."""
    shares = [f"{k} {measured[k]:.2%}" for k in ("float", "quantized") if measured[k] is not None]
    if None not in (measured["float"], measured["quantized"]):
        lost = round(100 * (measured["float"] - measured["quantized"]), 2) + 0.0  # no -0
        yield "accuracy lost", f"{lost:.2f} points: {', '.join(shares)}, {measured['metric']}"
    elif measured["metric"]:
        yield "accuracy", f"{', '.join(shares)}, {measured['metric']}"
    if measured["snr_db"] is not None:
        layers = ", ".join(
            f"{name} equal" if snr is None else f"{name} {snr:.1f} dB"
            for name, snr in measured["layer_snr_db"].items()
        )
        on = ", on random input" if measured["calibration"] in ("random", "none") else ""
        yield "signal to noise", f"{measured['snr_db']:.1f} dB against float ({layers}){on}"


def _end_rows(report: Report) -> Iterator[tuple[str, str]]:
    """What integers stand for."""
    for name in ("input", "output"):
        end = report[name]
        if end["scale"]:
            real = f"{end['scale']:.9g} * (q - {end['zero_point']})".replace("- -", "+ ")
            yield name, f"{end['type']} q stands for {real}"
