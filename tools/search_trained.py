"""`edgelstm search` behind the costs: trains, shows the front, exports the chosen point."""

import csv
import io
import math
import shlex
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

import edgelstm
from edgelstm.arguments import check_whole
from edgelstm.comparison.measuring import Data
from edgelstm.errors import ModelError
from edgelstm.files.disk import write_whole
from edgelstm.printable import cell
from edgelstm.searching.picking import Chosen
from edgelstm.searching.results import Found
from edgelstm.searching.searching import Wanted, search_for
from edgelstm.searching.trainings import architecture
from edgelstm.tools import executors, output, search_front, search_page
from edgelstm.tools.export import exported_report
from edgelstm.tools.export_report import ExportReport
from edgelstm.tools.output import Tell
from edgelstm.tools.request import DEFAULT_DEVICE, Request
from edgelstm.tools.search import SearchOptions, check_output
from edgelstm.tools.search_tables import ENDS
from edgelstm.training.data import CLASSES

INTERRUPTED = 130
INTERVALS = ("energy_uj", "energy_period_uj", "average_mw", "latency_us", "battery_days")


def main(options: SearchOptions, *, as_json: bool, quiet: bool) -> int:
    """Runs the command; returns its exit code: 1 without a front, or a point to take."""
    check_output(options, as_json=as_json)
    asked = options.training
    wanted = _wanted(options)
    workers = processes(options)
    with output.progress(quiet) as tell:
        on = f"{workers} process" + ("es" if workers > 1 else "")
        tell(f"training on {asked.engine or on}, {asked.block} a block")
        with executors.opened(asked.engine, workers, asked.timeout_s) as executor:
            found = search_for(wanted, executor, tell)
        exported = None
        if found.chosen and not found.interrupted:
            exported = _export(found, found.chosen, options, tell)
    text = output.json_text(_found_dict(found, exported))
    table = _front_csv(found)
    _write(found, text, table, options)
    if as_json:
        output.print_lines(text)
    elif options.csv:
        output.print_lines(table)
    elif not quiet:
        search_front.print_found(found, exported, asked.out)
    if found.interrupted:
        return INTERRUPTED
    return output.exit_code([] if found.chosen else [str(found.chosen_reason)])


def _command() -> str:
    return shlex.join(["edgelstm", *sys.argv[1:]])


def _found_dict(found: Found, exported: ExportReport | None) -> dict[str, Any]:
    """The object of `search --json`."""
    return {
        "command": _command(),
        "version": edgelstm.__version__,
        **found.to_dict(),
        "export": exported and exported.to_dict(),
    }


def _wanted(options: SearchOptions) -> Wanted:
    asked = options.training
    timeout = asked.timeout_s
    if not (math.isfinite(timeout) and timeout > 0):
        raise ModelError(f"--timeout-s is {timeout:g}; a number of seconds above 0 is needed")
    if asked.train and "" not in sys.path:
        sys.path.insert(0, "")  # a trainer that lies where the command is run
    return Wanted(
        options.space,
        asked.data,
        options.devices or (DEFAULT_DEVICE,),
        options.conditions,
        budget=asked.budget,
        seed=asked.seed,
        block=asked.block,
        epochs=asked.epochs,
        repeats=asked.repeats,
        train=asked.train,
        folder=asked.out,
        fresh=asked.fresh,
        min_accuracy=asked.min_accuracy,
        max_rmse=asked.max_rmse,
        pick=asked.pick,
    )


def processes(options: SearchOptions) -> int:
    """Processes of this machine; those beyond the block idle, and that is said."""
    asked = options.training
    if asked.workers is None:
        return min(executors.allowed_cores(), asked.block)
    check_whole(asked.workers, "--workers")
    if asked.workers > asked.block:
        idle = asked.workers - asked.block
        output.warn(f"{idle} of {asked.workers} workers idle: a block has {asked.block} (--block)")
    return min(asked.workers, asked.block)


def _export(found: Found, chosen: Chosen, options: SearchOptions, tell: Tell) -> ExportReport:
    """Writes and checks the files of the chosen point."""
    data, candidate = found.data, chosen.point.candidate
    tested = data.test or data.valid
    per_series = data.kind == CLASSES and data.last_step
    own = Data(
        "bundled" if options.training.data is None else "file",
        (np.asarray(data.train.x),),
        (np.asarray(tested.x),),
        tested.y if per_series else None,
    )
    names = dict(zip(found.devices, options.devices or (DEFAULT_DEVICE,), strict=True))
    request = Request(
        device=names[chosen.device],
        out=options.training.out,
        precision=candidate.precision,
        kernels=found.conditions.kernels,
    )
    network = found.network(candidate)
    report, _ = exported_report(network, architecture(candidate), request, tell, own)
    return report


def _write(found: Found, text: str, table: str, options: SearchOptions) -> None:
    """`front.json`, `front.csv` and `front.html`."""
    folder, page = options.training.out, search_page.render(found, _command())
    write_whole(folder / "front.json", text.encode())
    write_whole(folder / "front.csv", table.encode())
    for path in (folder / "front.html", options.training.html):
        if path is not None:
            write_whole(path, page.encode())


def _front_csv(found: Found) -> str:
    """A row for each point of each front; an interval is three columns, repeats are one."""
    rows = []
    for device in found.devices:
        for point in found.front(device):
            row = point.to_dict(found.data.kind)
            row["repeats"] = " ".join(map(str, row["repeats"]))
            columns = {"device": device, **row.pop("candidate"), **row}
            rows.append(dict(pair for item in columns.items() for pair in _flat(*item)))
    if not rows:
        return ""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: cell(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def _flat(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """An interval as a column per end, whether it is known or not."""
    if isinstance(value, dict) or key in INTERVALS:
        yield from ((f"{key}_{end}", value and value[end]) for end in ENDS)
    else:
        yield key, value
