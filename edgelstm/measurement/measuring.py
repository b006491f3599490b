"""measure: how long a step takes on this machine, in each engine and precision."""

import dataclasses
import importlib.metadata
import pathlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.arguments import array, check_type, float32
from edgelstm.errors import ModelError
from edgelstm.formats import AnyNetwork
from edgelstm.formats.steps import calibrated_steps
from edgelstm.measurement import machine, metering, ratios, session, summing_up
from edgelstm.measurement.asking import Asked, check
from edgelstm.measurement.entrants import Case, Entrant, Values, entrants
from edgelstm.measurement.job import Called, Job
from edgelstm.measurement.predicting import find_device
from edgelstm.measurement.results import STEP, Run, Skipped
from edgelstm.measurement.sharing import MOST_PROCESSES
from edgelstm.model.network import Network
from edgelstm.model.precision import PRECISIONS
from edgelstm.quantization.calibration import calibration_sequences
from edgelstm.quantization.quantizer import quantize

MOST_ROUNDS = 1_000  # beyond, what differs is the place in memory
PERIOD_MS = 10.0
TWO_CHECKS_MB = 2_000  # free, for two processes beside this one; else one after the other
RANDOM_SHAPE = (16, 100)  # sequences, steps
PACKAGES = ("edgelstm", "numpy", "numba")


def measure(
    network: AnyNetwork,
    engines: Sequence[str] | None = None,
    precisions: Sequence[str] | None = None,
    *,
    seconds: float = 60.0,
    period_ms: float | None = None,
    calibration: NDArray[Any] | None = None,
    seed: int = 0,
    power: str | None = None,
) -> Run:
    """Measures a network on this machine: every engine takes turns, in processes of its own.

    What gives other values than its oracle is not timed, and stands in `skipped`.

    Args:
        network: Float or quantized.
        engines: Of `numba onnxruntime litert tflite-runtime tflm c torch reference`; None: all that
            are installed.
        precisions: None: all that the network has.
        seconds: For rounds and paced steps together; compiling and checking come on top.
        period_ms: Of steps that come once a period; None: 10, of the fastest engine per precision.
        calibration: Typical input, (n, steps, input_size); None: random input, on which a float
            network is quantized: its times are right, its accuracy is not.
        seed: Of the order of turns.
        power: `auto`, `joulescope`, `pmic`, `hwmon`, `rapl`, `battery` or `csv:FILE`: energies too,
            which takes minutes more; None: none.

    Returns:
        A `Run`: rows with intervals, and what they were measured on.

    Raises:
        ModelError: An engine or precision that is unknown or not there, a network that none runs.
        DeviceError: Never, unless a device file of the package is broken.
    """
    check_type(network, AnyNetwork, "network", "`read`, `from_torch` and `quantize` give one")
    asked = Asked(
        None if engines is None else tuple(engines),
        None if precisions is None else tuple(precisions),
        seconds=seconds,
        period_ms=period_ms,
        calibration=None if calibration is None else [array(calibration, "calibration")],
        seed=seed,
        power=power,
    )
    check(asked)
    return run(network, asked, lambda text: None)


def run(network: AnyNetwork, asked: Asked, tell: Callable[[str], None]) -> Run:
    """Everything, for what `check` let pass; `tell` says what is going on."""
    case, told = _case(network, asked)
    cpu = asked.cpu if asked.cpu is not None else machine.allowed_cpus()[-1]
    before = machine.moment(cpu)
    board = machine.board()
    device, no_device = find_device(asked.device, board)
    with tempfile.TemporaryDirectory(prefix="edgelstm-bench-") as name:
        folder = pathlib.Path(name)
        at_once = len(machine.allowed_cpus()) > 1 and (before.memory_mb or 0) > TWO_CHECKS_MB
        every = list(entrants(case, asked.engines, folder, tell, two_at_once=at_once))
        found = [one for one in every if isinstance(one, Entrant)]
        skipped = [one for one in every if isinstance(one, Skipped)]
        if not found:
            raise ModelError(_nothing(skipped))
        job, arrays = _job(case, found, asked, cpu)
        record = session.measure(job, arrays, folder, tell)
        metered = metering.meter_fastest(asked, found, record, (job, arrays, folder), tell)
        context = summing_up.Context(asked.threads, device, no_device, asked.seed)
        if metered:
            context = dataclasses.replace(context, energies=metered.energies)
        rows = tuple(summing_up.results(found, record, context))
        if record.crashed and not rows:
            raise ModelError(f"nothing was measured: {record.crashed}")
    here = machine.machine(cpu, before, _versions())
    return Run(
        model=asked.model,
        model_sha256=asked.model_sha256,
        command=asked.command,
        version=_version("edgelstm"),
        seconds=asked.seconds,
        seed=asked.seed,
        machine=here,
        results=rows,
        skipped=(*skipped, *summing_up.refused(found, record), *_lost(metered)),
        warnings=(*told, *machine.warnings(here, record.others), *_few(record, asked)),
        power=metered.plan if metered else None,
        reference_loops=summing_up.reference_loops(record, len(found)),
        processes=tuple(summing_up.processes(record, len(found), asked.threads)),
        interrupted=record.interrupted is not None or bool(metered and metered.interrupted),
    )


def _case(network: AnyNetwork, asked: Asked) -> tuple[Case, list[str]]:
    """The networks and the input, and what is to be said of both."""
    if network.indices:
        raise ModelError("networks of real input are measured; this one takes indices")
    given, told = asked.calibration, []
    if given is None:
        rng = np.random.default_rng(0)
        n, steps = RANDOM_SHAPE
        shape = n, network.fixed_steps or steps, network.input_size
        given = [rng.normal(size=shape).astype(np.float32)]
        told.append(
            "random input: nothing was given as --calibration; times hold, accuracy is not measured"
        )
    sequences = calibration_sequences(given, network.behind)
    networks: dict[str, AnyNetwork] = {}
    for precision in _precisions(network, asked):
        try:
            networks[precision] = (
                quantize(network, given, precision)
                if isinstance(network, Network) and precision != "float32"
                else network
            )
        except ModelError as error:
            if asked.precisions:
                raise
            told.append(f"{precision} is left out: {error}")
    longest = max(sequences, key=lambda batch: batch.shape[1])[0]
    steps = network.fixed_steps or asked.steps or calibrated_steps(len(longest))
    x = np.resize(longest, (steps, network.input_size))
    return Case(networks, np.ascontiguousarray(float32(x))), told


def _precisions(network: AnyNetwork, asked: Asked) -> tuple[str, ...]:
    if isinstance(network, Network):
        return asked.precisions or tuple(PRECISIONS)
    own = network.precision
    for precision in asked.precisions or ():
        if precision != own:
            raise ModelError(
                f"precision '{precision}' is asked for, and the network is {own}; "
                "give the float network, or leave it out"
            )
    return (own,)


def _job(case: Case, found: list[Entrant], asked: Asked, cpu: int) -> tuple[Job, dict[str, Values]]:
    arrays: dict[str, Values] = {}
    called = []
    for k, one in enumerate(found):
        arrays[f"{k} x"] = case.input(one.precision, one.mode)
        arrays |= {f"{k} state {name}": value for name, value in one.initial_states.items()}
        is_step = one.mode == STEP
        called.append(
            Called(
                one.preparer,
                str(one.path),
                one.precision if is_step else None,
                is_step,
                tuple(one.initial_states),
            )
        )
    job = Job(
        tuple(called),
        asked.seconds,
        MOST_ROUNDS,
        PERIOD_MS if asked.period_ms is None else asked.period_ms,
        pace_all=asked.period_ms is not None,
        threads=asked.threads,
        cpu=cpu if asked.threads == 1 else None,
        seed=asked.seed,
        last_level_kib=machine.last_level_kib(),
        trigger=asked.trigger,
        most_processes=MOST_PROCESSES,
    )
    return job, arrays


def _lost(metered: metering.Metered | None) -> Iterator[Skipped]:
    if metered and metered.lost:
        yield Skipped("power", None, None, "crashed", metered.lost, None)


def _nothing(skipped: list[Skipped]) -> str:
    told = "; ".join(dict.fromkeys(f"{one.engine}: {one.reason}" for one in skipped))
    return f"nothing can be measured: {told}"


def _few(record: session.Record, asked: Asked) -> Iterator[str]:
    n = len(record.rounds)
    if 0 < n < ratios.ENOUGH_ROUNDS and record.interrupted is None:
        needed = asked.seconds * ratios.ENOUGH_ROUNDS / n
        yield (
            f"{n} rounds: what is less than {ratios.FAR_SLOWER - 1:.0%} apart is told from "
            f"{ratios.ENOUGH_ROUNDS} rounds on: --seconds {needed:.0f}, or fewer engines"
        )


def _versions() -> dict[str, str]:
    return {name: found for name in PACKAGES if (found := _version(name)) != "-"}


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "-"
