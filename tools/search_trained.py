"""`edgelstm search` behind the costs: trains, shows the front, exports the chosen point."""

import csv
import io
import math
import shlex
import sys
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
        tell(f"training on {asked.engine or f'{workers} of this machine'}, {asked.block} a block")
        with executors.opened(asked.engine, workers, asked.timeout_s) as executor:
            found = search_for(wanted, executor, tell)
        exported = None
        if found.chosen and not found.interrupted:
            exported = _export(found, found.chosen, options, tell)
    result: dict[str, Any] = {
        "command": shlex.join(["edgelstm", *sys.argv[1:]]),
        "version": edgelstm.__version__,
        **found.to_dict(),
        "export": exported,
    }
    _write(found, result, options)
    if as_json:
        output.print_json(result)
    elif options.csv:
        output.print_lines(_front_csv(result))
    elif not quiet:
        search_front.print_found(found, exported, asked.out)
    if found.interrupted:
        return INTERRUPTED
    return output.exit_code([] if found.chosen else [str(found.chosen_reason)])


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


def _export(found: Found, chosen: Chosen, options: SearchOptions, tell: Tell) -> dict[str, Any]:
    """Writes and checks the files of the chosen point; the object of `export --json`."""
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
    return report.to_dict()


def _write(found: Found, result: dict[str, Any], options: SearchOptions) -> None:
    """`front.json`, `front.csv` and `front.html`."""
    folder, page = options.training.out, search_page.render(found, result["command"])
    write_whole(folder / "front.json", output.json_text(result).encode())
    write_whole(folder / "front.csv", _front_csv(result).encode())
    for path in (folder / "front.html", options.training.html):
        if path is not None:
            write_whole(path, page.encode())


def _front_csv(result: dict[str, Any]) -> str:
    """A row for each point of each front; an interval is three columns."""
    rows = []
    for front in result["fronts"]:
        for point in front["points"]:
            row = {key: value for key, value in point.items() if key != "repeats"}
            rows.append(_flat({"device": front["device"], **row.pop("candidate"), **row}))
    if not rows:
        return ""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: cell(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Intervals as a column per end, whether they are known or not."""
    made: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, dict) or key in INTERVALS:
            made |= {f"{key}_{end}": value and value[end] for end in ENDS}
        else:
            made[key] = value
    return made
