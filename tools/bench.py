"""`edgelstm bench`: how long a step takes on this machine, per engine and precision."""

import dataclasses
import hashlib
import pathlib
import shlex
import sys

import numpy as np

from edgelstm import bundled
from edgelstm.errors import ModelError
from edgelstm.files.disk import write_whole
from edgelstm.formats import AnyNetwork
from edgelstm.installed import check_installed
from edgelstm.measurement import asking, measuring
from edgelstm.measurement.history import save
from edgelstm.measurement.results import Run
from edgelstm.model.network import Network
from edgelstm.model.sizes import with_random_weights
from edgelstm.printable import printable_texts
from edgelstm.tools import (
    bench_calibrate,
    bench_core,
    bench_page,
    bench_remote,
    bench_stored,
    bench_tables,
    inputs,
    output,
)
from edgelstm.tools.profile_request import Options, Shape, read_given
from edgelstm.tools.request import Request, read_network
from edgelstm.verification.results import FAILED

COUNTED = ("model", "calibration", "head", "activation", "order")  # options that go with --core
# Those that do something of their own, and what goes with each.
ALONE: dict[str, tuple[str, ...]] = {
    "calibrate": ("seconds", "cpu", "out", "remote"),
    "compare": ("tolerance",),
    "history": (),
}


@dataclasses.dataclass(frozen=True)
class BenchOptions:
    """The options of the command; None where not given."""

    model: pathlib.Path | None = None
    shape: Shape = Shape()
    cores: tuple[str, ...] = ()
    engines: tuple[str, ...] | None = None
    precisions: tuple[str, ...] | None = None
    seconds: float = 60.0
    period_ms: float | None = None
    calibration: pathlib.Path | None = None
    steps: int | None = None
    head: str | None = None
    activation: str | None = None
    order: tuple[str, ...] | None = None
    cpu: int | None = None
    threads: int = 1
    seed: int = 0
    device: str | None = None
    power: str | None = None
    power_engines: tuple[str, ...] | None = None
    trigger: str | None = None
    csv: bool = False
    html: pathlib.Path | None = None
    save: bool = False
    history: bool = False
    compare: tuple[pathlib.Path, pathlib.Path] | None = None
    tolerance: float = 5.0
    calibrate: bool = False
    out: pathlib.Path | None = None
    remote: str | None = None


def main(options: BenchOptions, *, as_json: bool, quiet: bool) -> int:
    """Runs the command; returns its exit code: 1 if an engine differs or crashed."""
    if options.cores:
        return _count(options, as_json=as_json, quiet=quiet)
    if as_json and options.csv:
        raise ModelError("--json and --csv both write to standard output; give one of them")
    _check_alone(options)
    if options.compare:
        tolerance = options.tolerance
        return bench_stored.main_compare(options.compare, tolerance, as_json=as_json, quiet=quiet)
    if options.history:
        return bench_stored.main_history(as_json=as_json, quiet=quiet)
    asked = _asked(options)
    asking.check(asked if options.remote is None else bench_remote.checkable(asked))
    if options.out and not options.calibrate:
        raise ModelError("-o is where --calibrate writes; give both")
    if options.html:
        check_installed("jinja2", "a page (--html)")
        if options.model and options.html.resolve() == options.model.resolve():
            raise ModelError(f"--html {options.html} would overwrite the model; give another name")
    if options.calibrate:
        how = options.seconds, options.cpu, options.remote
        return bench_calibrate.main(options.out, *how, as_json=as_json, quiet=quiet)
    network, name = _network(options)
    asked = _with_input(options, dataclasses.replace(asked, model=name), network)
    with output.progress(quiet) as tell:
        if options.remote is None:
            run = measuring.run(network, asked, tell)
        else:
            given = None if options.model is None and options.shape == Shape() else network
            run = bench_remote.run(options.remote, given, (asked, options.calibration), tell)
    path = save(run) if options.save else None
    _print(run, options, as_json=as_json, quiet=quiet)
    for name, written in (("kept", path), ("page", options.html)):
        if written and not (as_json or options.csv or quiet):
            output.print_line(f"{name}: {written}", whole=True)
    if run.interrupted:
        return 130
    return output.exit_code(_failures(run))


def _check_alone(options: BenchOptions) -> None:
    """`ModelError` where an option is given that would be ignored."""
    for name, kept in ALONE.items():
        if not getattr(options, name):
            continue
        own = BenchOptions(**{key: getattr(options, key) for key in (name, *kept)})
        if options != own:
            others = ", ".join(f"--{key}" for key in kept if key != "out") or "none"
            raise ModelError(f"--{name} measures no network of yours; its other options: {others}")


def _count(options: BenchOptions, *, as_json: bool, quiet: bool) -> int:
    """On emulated cores in place of this machine."""
    own = {name: getattr(options, name) for name in COUNTED}
    others = dataclasses.replace(BenchOptions(**own), shape=options.shape, cores=options.cores)
    if options != dataclasses.replace(others, precisions=options.precisions):
        kept = "--precision, --calibration, --head, --activation and --order"
        raise ModelError(f"--core counts and measures no time; with it go a network, {kept}")
    precision, *more = options.precisions or (None,)
    if more:
        raise ModelError("--core counts one precision; give one")
    asked = Request(precision=precision, **own)
    given = None if options.shape == Shape() else _network(options)
    return bench_core.main(asked, options.cores, given, as_json=as_json, quiet=quiet)


def _print(run: Run, options: BenchOptions, *, as_json: bool, quiet: bool) -> None:
    shown = printable_texts(run)
    if options.html:
        write_whole(options.html, bench_page.render(shown).encode())
    if as_json:
        output.print_json(run.to_dict())
    elif options.csv:
        output.print_lines(bench_tables.render_csv(shown))
    elif not quiet:
        bench_tables.print_run(shown)


def _failures(run: Run) -> list[str]:
    return [
        f"{one.engine} {one.precision or ''} {one.mode or ''}: {one.status}: {one.reason}"
        for one in run.skipped
        if one.status in FAILED
    ]


def _asked(options: BenchOptions) -> asking.Asked:
    """Without what needs the network."""
    digest = None
    if options.model is not None and options.model.is_file():
        digest = hashlib.sha256(options.model.read_bytes()).hexdigest()
    return asking.Asked(
        engines=options.engines,
        precisions=options.precisions,
        seconds=options.seconds,
        period_ms=options.period_ms,
        steps=options.steps,
        cpu=options.cpu,
        threads=options.threads,
        seed=options.seed,
        device=options.device,
        power=None if options.power == "none" else options.power,
        power_engines=options.power_engines,
        trigger=options.trigger,
        model_sha256=digest,
        command=shlex.join(["edgelstm", *sys.argv[1:]]),
    )


def _network(options: BenchOptions) -> tuple[AnyNetwork, str]:
    """Of a file, of sizes with random weights, or the bundled one."""
    if options.shape != Shape():
        models = (options.model,) if options.model else ()
        rest = {name: getattr(options, name) for name in ("head", "activation", "order")}
        (given,) = read_given(Options(models=models, shape=options.shape, **rest))
        assert isinstance(given.network, Network)
        return with_random_weights(given.network), given.name
    request = Request(
        model=options.model,
        head=options.head,
        activation=options.activation,
        order=options.order,
    )
    return read_network(request)


def _with_input(options: BenchOptions, asked: asking.Asked, network: AnyNetwork) -> asking.Asked:
    if options.calibration:
        arrays = inputs.read_sequences(options.calibration, network.input_size)
        return dataclasses.replace(asked, calibration=arrays)
    if options.model is None and options.shape == Shape():
        data = bundled.demo_data()
        given = [np.asarray(data.calibration)]
        return dataclasses.replace(asked, calibration=given)
    return asked
