"""The commands and their options. What a command does stands in a module of its name."""

import functools
from pathlib import Path
from typing import Annotated

import typer

from edgelstm.tools import options, output, planning, words
from edgelstm.tools.ranges import names

app = typer.Typer(
    name="edgelstm",
    help="Trained recurrent networks for microcontrollers and Raspberry Pis.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


_command = functools.partial(app.command, cls=words.Command)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        import edgelstm

        output.print_line(edgelstm.__version__)
        raise typer.Exit(0)


@_command()
def export(
    model: options.Model = None,
    device: options.Device = None,
    out: options.Out = Path("edgelstm-out"),
    precision: options.Precision = None,
    formats: options.Formats = None,
    target: options.Target = None,
    calibration: options.Calibration = None,
    labels: options.Labels = None,
    steps: options.FileSteps = None,
    streaming: options.Streaming = False,
    streaming_io: options.StreamingIo = False,
    form: options.Form = None,
    kernels: options.Kernels = None,
    head: options.Head = None,
    activation: options.Activation = None,
    order: options.Order = None,
    node: options.Nodes = None,
    explain: options.Explain = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Quantize a network, write its files and check them in every runtime that is installed."""
    from edgelstm.tools import export as command
    from edgelstm.tools.request import Request

    asked = Request(
        model=model,
        device=device,
        out=out,
        precision=precision,
        formats=_split(formats),
        target=target,
        calibration=calibration,
        labels=labels,
        steps=steps,
        streaming="io" if streaming_io else streaming,
        form=form,
        kernels=kernels,
        head=head,
        activation=activation,
        order=names(order),
        node=tuple(node) if node else None,
        explain=explain,
    )
    raise typer.Exit(command.main(asked, as_json=as_json, quiet=quiet))


@_command()
def profile(
    models: options.Models = None,
    device: options.Devices = None,
    cell: options.Cell = None,
    input_size: options.InputSize = None,
    hidden: options.Hidden = None,
    layers: options.Layers = None,
    projection: options.Projection = None,
    outputs: options.Outputs = None,
    precision: options.ProfiledPrecision = None,
    steps: options.CountedSteps = None,
    kernels: options.Kernels = None,
    clock_mhz: options.ClockMhz = None,
    cores: options.Cores = 1,
    period_ms: options.PeriodMs = None,
    sleep: options.Sleep = None,
    battery: options.Battery = None,
    head: options.Head = None,
    activation: options.Activation = None,
    order: options.Order = None,
    compare_counters: options.CompareCounters = False,
    explain: options.Explain = False,
    as_csv: options.AsCsv = False,
    html: options.Html = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Operations and bytes per gate, memory, time and energy per step, and whether it fits."""
    from edgelstm.tools import profiler as command
    from edgelstm.tools.profile_request import Options, Shape

    asked = Options(
        models=tuple(models or ()),
        shape=Shape(cell, input_size, hidden, layers, projection, outputs),
        devices=tuple(device or ()),
        precision=precision,
        steps=steps,
        kernels=kernels,
        clock_mhz=clock_mhz,
        cores=cores,
        period_ms=period_ms,
        sleep=sleep,
        battery=battery,
        head=head,
        activation=activation,
        order=names(order),
        compare_counters=compare_counters,
        explain=explain,
        csv=as_csv,
        html=html,
    )
    raise typer.Exit(command.main(asked, as_json=as_json, quiet=quiet))


@_command()
def compare(
    model: options.Model = None,
    device: options.ComparedDevices = None,
    out: options.Kept = None,
    calibration: options.Calibration = None,
    labels: options.Labels = None,
    steps: options.FileSteps = None,
    head: options.Head = None,
    activation: options.Activation = None,
    order: options.Order = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Make every precision and form of a network, and say which file to use on which device."""
    from edgelstm.tools import compare as command
    from edgelstm.tools.request import Request

    asked = Request(
        model=model,
        calibration=calibration,
        labels=labels,
        steps=steps,
        head=head,
        activation=activation,
        order=names(order),
    )
    raise typer.Exit(command.main(asked, device or (), out, as_json=as_json, quiet=quiet))


_command()(planning.search)
_command()(planning.size)


@_command()
def bench(
    model: options.Model = None,
    cell: options.Cell = None,
    input_size: options.InputSize = None,
    hidden: options.Hidden = None,
    layers: options.Layers = None,
    projection: options.Projection = None,
    outputs: options.Outputs = None,
    core: options.EmulatedCores = None,
    engines: options.Engines = None,
    precision: options.Precisions = None,
    seconds: options.Seconds = 60.0,
    period_ms: options.PeriodMs = None,
    calibration: options.Calibration = None,
    steps: options.SequenceSteps = None,
    head: options.Head = None,
    activation: options.Activation = None,
    order: options.Order = None,
    cpu: options.Cpu = None,
    threads: options.Threads = 1,
    seed: options.Seed = 0,
    device: options.OwnDevice = None,
    power: options.Power = None,
    power_engines: options.PowerEngines = None,
    trigger: options.Trigger = None,
    save: options.Save = False,
    history: options.History = False,
    compare: options.Compare = None,
    tolerance: options.Tolerance = 5.0,
    calibrate: options.Calibrate = False,
    out: options.DeviceOut = None,
    html: options.Html = None,
    remote: options.Remote = None,
    as_csv: options.AsCsv = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure a network on this machine: every engine takes turns, beside the prediction."""
    from edgelstm.tools import bench as command
    from edgelstm.tools.profile_request import Shape

    asked = command.BenchOptions(
        model=model,
        shape=Shape(cell, input_size, hidden, layers, projection, outputs),
        cores=tuple(core or ()),
        engines=names(engines),
        precisions=names(precision),
        seconds=seconds,
        period_ms=period_ms,
        calibration=calibration,
        steps=steps,
        head=head,
        activation=activation,
        order=names(order),
        cpu=cpu,
        threads=threads,
        seed=seed,
        device=device,
        power=power,
        power_engines=names(power_engines),
        trigger=trigger,
        csv=as_csv,
        save=save,
        history=history,
        compare=compare,
        tolerance=tolerance,
        calibrate=calibrate,
        out=out,
        html=html,
        remote=remote,
    )
    raise typer.Exit(command.main(asked, as_json=as_json, quiet=quiet))


@_command()
def verify(
    files: Annotated[list[Path] | None, typer.Argument(help="Written files.")] = None,
    sequences: Annotated[int | None, typer.Option(help="Random sequences per file.")] = None,
    steps: Annotated[int | None, typer.Option(help="For files that do not fix them.")] = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Run written files in their runtimes and count the values that differ from the laptop's."""
    from edgelstm.tools import verify as command

    raise typer.Exit(command.main(files or [], sequences, steps, as_json=as_json, quiet=quiet))


_command()(planning.devices)


@_command()
def doctor(
    warm: Annotated[bool, typer.Option("--warm", help="Compile every kernel now.")] = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Show what is installed, what is missing for what, where compiled kernels are."""
    from edgelstm.tools import doctor as command

    raise typer.Exit(command.main(warm=warm, as_json=as_json, quiet=quiet))


def _split(formats: str | None) -> tuple[str, ...] | None:
    given = names(formats)
    return given and tuple(dict.fromkeys(name.lstrip(".").lower() for name in given))
