"""What `measure` and `bench` are asked for, checked before anything runs."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from edgelstm.arguments import check_whole
from edgelstm.errors import ModelError
from edgelstm.formats.steps import check_steps
from edgelstm.measurement import machine
from edgelstm.measurement.engines import check_engines
from edgelstm.measurement.power import open_source
from edgelstm.measurement.predicting import find_device
from edgelstm.measurement.trigger import check_trigger
from edgelstm.model.precision import find_precision


@dataclasses.dataclass(frozen=True, eq=False)
class Asked:
    """What is wanted; None where not given, and then as `edgelstm bench` without that option.

    Attributes:
        engines, precisions: Names.
        seconds: For rounds and paced steps together.
        period_ms: Of paced steps, of every engine then; None: 10, of the fastest per precision.
        steps: Of a sequence.
        calibration: Arrays (n, steps, input_size), or (steps, input_size).
        cpu: Which processor; None: the last that is allowed.
        device: Name or path that predictions are of.
        power: `auto`, a key of `SOURCES`, or `csv:FILE`; None: no energies.
        trigger: Pin that is high during a window, ``gpiochip0:17``; None: none.
        power_engines: Which energies are measured of; None: of the fastest per precision.
        model, model_sha256, command: For the record.
    """

    engines: tuple[str, ...] | None = None
    precisions: tuple[str, ...] | None = None
    seconds: float = 60.0
    period_ms: float | None = None
    steps: int | None = None
    calibration: Sequence[NDArray[Any]] | None = None
    cpu: int | None = None
    threads: int = 1
    seed: int = 0
    device: str | None = None
    power: str | None = None
    trigger: str | None = None
    power_engines: tuple[str, ...] | None = None
    model: str = "network"
    model_sha256: str | None = None
    command: str = "edgelstm.measure"


def check(asked: Asked) -> None:
    """`ModelError` for what is wrong whatever the network is."""
    check_engines(asked.engines)
    for precision in asked.precisions or ():
        find_precision(precision)
    _check_above_0("seconds", asked.seconds)
    if asked.period_ms is not None:
        _check_above_0("period_ms", asked.period_ms)
    check_whole(asked.threads, "threads", most=1024)
    check_whole(asked.seed, "seed", 0, most=2**32)
    if asked.steps is not None:
        check_steps(asked.steps, False)
    allowed = machine.allowed_cpus()
    if asked.cpu is not None and asked.cpu not in allowed:
        listed = ", ".join(map(str, allowed))
        raise ModelError(f"cpu is {asked.cpu}; this process may use {listed}")
    find_device(asked.device, None)
    if asked.power is not None:
        open_source(asked.power)
    elif asked.power_engines or asked.trigger:
        named = "power_engines" if asked.power_engines else "trigger"
        raise ModelError(f"{named} is for energies, and no source of power is given; give power")
    if asked.trigger is not None:
        check_trigger(asked.trigger)


def _check_above_0(name: str, value: object) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1e6:
        raise ModelError(f"{name} is {value!r:.20}; a number above 0 is needed")
