"""The commands that need no network yet, and their options: see `commands.py`."""

from pathlib import Path

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
    data: options.SearchData = None,
    train: options.Train = None,
    budget: options.Budget = 40,
    epochs: options.Epochs = 100,
    block: options.Block = 4,
    seed: options.SearchSeed = 0,
    repeats: options.Repeats = 1,
    timeout_s: options.TimeoutS = 600.0,
    fresh: options.Fresh = False,
    workers: options.WorkerCount = None,
    engine: options.Engine = None,
    min_accuracy: options.MinAccuracy = None,
    max_rmse: options.MaxRmse = None,
    pick: options.Pick = "knee",
    out: options.SearchOut = Path("edgelstm-search"),
    html: options.Html = None,
    costs: options.Costs = False,
    as_csv: options.AsCsv = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Cost every candidate of a space, train the few that matter, export the chosen one."""
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
    trained = command.Training(
        data=data,
        train=train,
        budget=budget,
        epochs=epochs,
        block=block,
        seed=seed,
        repeats=repeats,
        timeout_s=timeout_s,
        fresh=fresh,
        workers=workers,
        engine=engine,
        min_accuracy=min_accuracy,
        max_rmse=max_rmse,
        pick=pick,
        out=out,
        html=html,
    )
    asked = command.SearchOptions(space, tuple(device or ()), given, costs, as_csv, trained)
    if not costs:
        from edgelstm.tools import search_trained

        raise typer.Exit(search_trained.main(asked, as_json=as_json, quiet=quiet))
    raise typer.Exit(command.main(asked, as_json=as_json, quiet=quiet))
