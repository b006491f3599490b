"""The commands that need no network yet, and their options: see `commands.py`."""

from pathlib import Path

import typer

from edgelstm.tools import options
from edgelstm.tools.ranges import names, waiting, whole_numbers


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
    sleep: options.RankedSleep = None,
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
        sleep=waiting(sleep, period_ms),
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


def size(
    device: options.Device = None,
    input_size: options.SizedInputs = 12,
    outputs: options.SizedOutputs = 9,
    period_ms: options.SizedPeriodMs = 20.0,
    battery: options.SizedBattery = "cr2032",
    min_days: options.SizedMinDays = 365.0,
    cell: options.SizedCells = None,
    precision: options.Precisions = None,
    layers: options.LayerCounts = "1:2",
    sleep: options.OneSleep = "deep",
    typical: options.Typical = False,
    steps: options.SizedSteps = None,
    kernels: options.Kernels = None,
    explain: options.Explain = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Say how large a network may be: what a period, a battery and a chip leave room for."""
    from edgelstm.searching import sizing
    from edgelstm.tools import size as command
    from edgelstm.tools.request import DEFAULT_DEVICE

    room = sizing.size(
        device or DEFAULT_DEVICE,
        input_size=input_size,
        outputs=outputs,
        period_ms=period_ms,
        battery=battery,
        min_days=min_days,
        cells=names(cell),
        precisions=names(precision),
        layers=whole_numbers(layers, "--layers"),
        sleep=sleep,
        typical=typical,
        steps=steps,
        kernels=kernels,
    )
    code = command.main(room, as_json=as_json, quiet=quiet, explain=explain)
    raise typer.Exit(code)


def devices(
    name: options.ListedDevice = None,
    model: options.RankedModel = None,
    cell: options.Cell = None,
    input_size: options.InputSize = None,
    hidden: options.Hidden = None,
    layers: options.Layers = None,
    projection: options.Projection = None,
    outputs: options.Outputs = None,
    precision: options.ProfiledPrecision = None,
    budget_uj: options.BudgetUj = None,
    budget_ms: options.BudgetMs = None,
    period_ms: options.PeriodMs = None,
    sleep: options.RankedSleep = None,
    battery: options.Battery = None,
    min_days: options.MinDays = None,
    kernels: options.Kernels = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """List the known devices, show one with its sources, or rank them for a network."""
    from edgelstm.tools import devices as command
    from edgelstm.tools.profile_request import Shape

    asked = command.Asked(
        model=model,
        shape=Shape(cell, input_size, hidden, layers, projection, outputs),
        precision=precision,
        budget_uj=budget_uj,
        budget_ms=budget_ms,
        period_ms=period_ms,
        sleep=sleep,
        battery=battery,
        min_days=min_days,
        kernels=kernels,
    )
    raise typer.Exit(command.main(name, asked, as_json=as_json, quiet=quiet))
