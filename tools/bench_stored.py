"""`bench --compare` and `bench --history`: runs that were kept."""

import pathlib
from collections.abc import Iterator

from edgelstm.errors import ModelError
from edgelstm.measurement.comparing import Comparison, compare
from edgelstm.measurement.history import saved
from edgelstm.measurement.results import Run
from edgelstm.measurement.stored import load_run
from edgelstm.printable import printable_texts
from edgelstm.text import number
from edgelstm.tools import output


def main_compare(
    files: tuple[pathlib.Path, pathlib.Path], tolerance: float, *, as_json: bool, quiet: bool
) -> int:
    """Prints what changed; 1 if a row is slower beyond the tolerance, or nothing is comparable."""
    if not 0 < tolerance < 100:
        raise ModelError(f"--tolerance is {tolerance:g}; a percentage above 0, below 100 is needed")
    a, b = ((str(path), load_run(path)) for path in files)
    found = compare(a, b, tolerance)
    if as_json:
        output.print_json(found.to_dict())
    elif not quiet:
        _print(printable_texts(found))
    return output.exit_code(list(_failures(found)))


def _failures(found: Comparison) -> Iterator[str]:
    if found.reason:
        yield f"{found.a} and {found.b} cannot be compared: {found.reason}"
    for row in found.rows:
        if row.verdict == "slower":
            change = _percent(row.change_percent.typical)
            yield f"{row.engine} {row.precision} {row.mode}: {change} us per step"


def _print(found: Comparison) -> None:
    columns = ("engine", "precision", "mode", ">change", ">95 %", "verdict", "by", "note")
    rows = [
        (
            *(row.engine, row.precision, row.mode, _percent(row.change_percent.typical)),
            f"{row.change_percent.low:+.1f} to {row.change_percent.high:+.1f}",
            *(row.verdict, row.reference, row.reason or ""),
        )
        for row in found.rows
    ]
    title = f"From {found.a} to {found.b}, tolerance {found.tolerance_percent:g} %"
    output.print_filled(title, columns, rows)


def _percent(change: float | None) -> str:
    assert change is not None
    return f"{change:+.1f} %"


def main_history(*, as_json: bool, quiet: bool) -> int:
    """Lists what `--save` kept."""
    found = list(saved())
    if as_json:
        runs = [
            {"file": str(path), "error": run}
            if isinstance(run, str)
            else {"file": str(path), **run.to_dict()}
            for path, run in found
        ]
        output.print_json({"runs": runs})
    elif not quiet and found:
        columns = ("file", "model", "machine", "fastest step or sequence", ">us")
        output.print_table("", columns, printable_texts([_row(*one) for one in found]))
    elif not quiet:
        output.print_line("nothing was kept: `edgelstm bench --save` keeps a run")
    return 0


def _row(path: pathlib.Path, run: object) -> tuple[str, ...]:
    if not isinstance(run, Run):
        return path.name, str(run), "-", "-", "-"
    machine = run.machine.board or run.machine.cpu or "-"
    if not run.results:
        return path.name, run.model, machine, "-", "-"
    best = run.results[0]
    what = f"{best.engine} {best.precision} {best.mode}"
    return path.name, run.model, machine, what, number(best.timing.median_us_per_step)
