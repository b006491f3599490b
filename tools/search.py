"""`edgelstm search --costs`: what every candidate costs; and the options of all of `search`."""

import dataclasses
import pathlib
import shlex
import sys
from collections.abc import Sequence
from typing import Any

import edgelstm
from edgelstm.devices.device import Device, read_device
from edgelstm.errors import ModelError
from edgelstm.searching.conditions import Conditions
from edgelstm.searching.costing import Point, cost_points
from edgelstm.searching.rejections import check_reachable, count_rejected
from edgelstm.searching.searching import filled_by
from edgelstm.searching.space import Space
from edgelstm.tools import output, search_tables
from edgelstm.tools.request import DEFAULT_DEVICE
from edgelstm.training.data import read_data

SCHEMA = 1


@dataclasses.dataclass(frozen=True)
class Training:
    """The options that `--costs` has no use for; None where not given."""

    data: pathlib.Path | None = None
    train: str | None = None
    budget: int = 40
    epochs: int = 100
    block: int = 4
    seed: int = 0
    repeats: int = 1
    timeout_s: float = 600.0
    fresh: bool = False
    workers: int | None = None
    engine: str | None = None
    min_accuracy: float | None = None
    max_rmse: float | None = None
    pick: str = "knee"
    out: pathlib.Path = pathlib.Path("edgelstm-search")
    html: pathlib.Path | None = None


@dataclasses.dataclass(frozen=True)
class SearchOptions:
    """The options of the command.

    Attributes:
        space: What it may be; what the data say is left open.
        devices: Their names; none for the default one.
        conditions: Period, sleep, battery, and bounds.
        costs: Whether to stop after the costs.
        csv: A table on standard output.
        training: What else a search is told.
    """

    space: Space
    devices: tuple[str, ...] = ()
    conditions: Conditions = dataclasses.field(default_factory=Conditions)
    costs: bool = False
    csv: bool = False
    training: Training = dataclasses.field(default_factory=Training)


def main(options: SearchOptions, *, as_json: bool, quiet: bool) -> int:
    """Runs the command with `--costs`; returns its exit code: 1 if no point is left."""
    check_output(options, as_json=as_json)
    devices = read_devices(options.devices)
    space, points = costed(options, devices)
    if as_json:
        output.print_json(costs_dict(options, space, devices, points))
    elif options.csv:
        output.print_lines(search_tables.render_csv(points))
    elif not quiet:
        search_tables.print_costs(points, space, devices, options.conditions)
    is_empty = not any(point.cost.accepted for point in points)
    return output.exit_code(["every point is refused"] if is_empty else [])


def check_output(options: SearchOptions, *, as_json: bool) -> None:
    """`ModelError` if two things are wanted on standard output."""
    if as_json and options.csv:
        raise ModelError("--json and --csv both write to standard output; give one of them")


def read_devices(names: Sequence[str]) -> list[Device]:
    """The devices, each once; without names the default one."""
    return [read_device(name) for name in dict.fromkeys(names or (DEFAULT_DEVICE,))]


def costed(options: SearchOptions, devices: Sequence[Device]) -> tuple[Space, list[Point]]:
    """The space with nothing left open, and what each of its points costs.

    Raises:
        ModelError: A bound leaves no point.
    """
    asked = options.training
    data = read_data(asked.data, asked.seed)
    if asked.data is None:  # the sizes of the bundled series where no others are said
        sizes = {"input_size": data.input_size, "outputs": data.outputs, "steps": data.steps}
        space = options.space.filled(devices, **sizes)
    else:
        space = filled_by(data, options.space, devices)
    task = space.task(last_step=data.last_step)
    points = cost_points(space.candidates(), devices, task, options.conditions)
    check_reachable(points, options.conditions)
    return space, points


def costs_dict(
    options: SearchOptions, space: Space, devices: Sequence[Device], points: Sequence[Point]
) -> dict[str, Any]:
    """The object of `search --json`, up to `points`."""
    rejected = count_rejected(points)
    given = options.conditions
    return {
        "command": shlex.join(["edgelstm", *sys.argv[1:]]),
        "version": edgelstm.__version__,
        "schema": SCHEMA,
        "space": space.to_dict(),
        "devices": [device.name for device in devices],
        "period_ms": given.period_ms,
        "sleep": given.sleep if given.period_ms else None,
        "accepted": len(points) - sum(rejected.values()),
        "rejected": rejected,
        "points": [point.to_dict() for point in points],
    }
