"""The commands that need no network yet, and their options: see `commands.py`."""

import typer

from edgelstm.tools import options
from edgelstm.tools.ranges import names, whole_numbers


def search(
    cell: options.Cells = "lstm,gru",
    hidden: options.HiddenSizes = "4:64:4",
    layers: options.LayerCounts = "1:2",
    precision: options.SpacePrecisions = None,
    projection: options.Projections = None,
    bidirectional: options.Bidirectional = False,
    input_size: options.DataInputs = None,
    outputs: options.DataOutputs = None,
    steps: options.DataSteps = None,
    device: options.Devices = None,
    kernels: options.Kernels = None,
    period_ms: options.PeriodMs = None,
    sleep: options.OneSleep = "deep",
    battery: options.Battery = None,
    objectives: options.Objectives = "accuracy,energy",
    max_energy_uj: options.MaxEnergyUj = None,
    max_latency_us: options.MaxLatencyUs = None,
    costs: options.Costs = False,
    as_csv: options.AsCsv = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Cost every candidate of a space on every device."""
    from edgelstm.searching.conditions import Conditions
    from edgelstm.searching.space import Space
    from edgelstm.tools import search as command

    space = Space(
        cell=names(cell) or (),
        hidden=whole_numbers(hidden, "--hidden"),
        layers=whole_numbers(layers, "--layers"),
        precision=names(precision),
        projection=whole_numbers(projection, "--projection") if projection else (None,),
        bidirectional=(False, True) if bidirectional else (False,),
        input_size=input_size,
        outputs=outputs,
        steps=steps,
    )
    given = Conditions(
        period_ms=period_ms,
        sleep=sleep,
        battery=battery,
        kernels=kernels,
        objectives=names(objectives) or (),
        max_energy_uj=max_energy_uj,
        max_latency_us=max_latency_us,
    )
    asked = command.SearchOptions(space, tuple(device or ()), given, costs, as_csv)
    raise typer.Exit(command.main(asked, as_json=as_json, quiet=quiet))
