"""What `export` and `verify` say on the terminal."""

import pathlib
from collections.abc import Iterable, Mapping, Sequence

from edgelstm.figures import counted
from edgelstm.tools.output import Report, print_line, print_table


def print_export(report: Report, path: pathlib.Path) -> None:
    """The report of `export`."""
    where = f"{report['precision']}, {counted(report['steps'], 'step')} a call"
    where += f", for {report['device']}"
    print_line(f"{report['model']}  {where}\n", style="bold", whole=True)
    print_table("Files", ("file", ">bytes", ">of float32"), map(_file_row, report["artifacts"]))
    print_line()
    print_verified(report["verified"])
    print_line()
    print_table("Result", ("", ""), _result_rows(report))
    for text in _notes(report):
        print_line(f"note: {text}", style="dim")
    print_line(f"\nreport: {path}", whole=True)


def _notes(report: Report) -> Iterable[str]:
    yield from (f"assumed: {text}" for text in report["assumed"])
    yield from (f"left out: {text}" for text in report["skipped"])
    formats = [artifact["format"] for artifact in report["artifacts"]]
    if report["precision"] == "int8" and "onnx" in formats:
        yield "the int8 .onnx is the exact twin for checking: lookup tables of 131 KB each, slow"
    for artifact in report["artifacts"]:
        if artifact["not_for"]:
            yield f"{pathlib.Path(artifact['path']).name}: not for {artifact['not_for']}"
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
    for reason in dict.fromkeys(f"{v['runtime']}: {v['reason']}" for v in verified if v["reason"]):
        print_line(reason, style="dim", whole=True)  # a line to copy


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


def _result_rows(report: Report) -> Iterable[tuple[str, str]]:
    measured, per_step, fit = report["accuracy"], report["per_step"], report["fit"]
    for name in ("input", "output"):
        end = report[name]
        if end["scale"]:
            real = f"{end['scale']:.9g} * (q - {end['zero_point']})".replace("- -", "+ ")
            yield name, f"{end['type']} q stands for {real}"
    if measured["metric"]:
        shares = [
            f"{k} {measured[k]:.2%}" for k in ("float", "quantized") if measured[k] is not None
        ]
        yield "accuracy", f"{', '.join(shares)}: {measured['metric']}"
    if measured["snr_db"] is not None:
        layers = ", ".join(
            f"{name} equal" if snr is None else f"{name} {snr:.1f} dB"
            for name, snr in measured["layer_snr_db"].items()
        )
        on = ", on random input" if measured["calibration"] in ("random", "none") else ""
        yield "signal to noise", f"{measured['snr_db']:.1f} dB against float ({layers}){on}"
    yield "flash", _need(fit["flash_bytes"], fit["flash_available_bytes"])
    yield "RAM", _need(fit["ram_bytes"], fit["ram_available_bytes"])
    yield "fits", {True: "yes", False: "NO", None: "not known"}[fit["fits"]]
    yield "MACs per step", f"{per_step['macs']:,}"
    yield "latency per step", _interval(per_step["latency_us"], "us", per_step)
    yield "energy per step", _interval(per_step["energy_uj"], "uJ", per_step)
    for row in per_step["by_kernels"][1:]:
        told = {"basis": row["basis"], "reason": row["energy_reason"]}
        yield f"with {row['kernels']}", _interval(row["latency_us"], "us", told)
        if row["latency_us"] is not None:
            yield "", _interval(row["energy_uj"], "uJ", told)


def _need(needed: int | None, available: int | None) -> str:
    if needed is None:
        return "-"
    if not available:
        return f"{needed:,} B"
    return f"{needed:,} B of {available:,} B ({needed / available:.1%})"


def _interval(interval: Mapping[str, float | None] | None, unit: str, per_step: Report) -> str:
    if interval is None:
        return f"not known: {per_step['reason']}"
    low, typical, high = (interval[k] for k in ("low", "typical", "high"))
    middle = "" if typical is None else f", typically {_three(typical)} {unit}"
    return f"{_three(low)} to {_three(high)} {unit}{middle} ({per_step['basis']})"


def _three(number: float | None) -> str:
    """Three significant digits, without an exponent."""
    if number is None:
        return "-"
    return f"{float(f'{number:.3g}'):,.0f}" if number >= 1000 else f"{number:.3g}"
