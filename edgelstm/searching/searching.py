"""search: costs for every candidate, trainings for the few that matter, a front per device."""

import contextlib
import math
import os
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Any

from edgelstm.arguments import check_whole
from edgelstm.devices.device import read_device
from edgelstm.errors import ModelError
from edgelstm.installed import is_installed
from edgelstm.searching.conditions import Conditions
from edgelstm.searching.costing import cost_points
from edgelstm.searching.log import Log
from edgelstm.searching.rejections import check_reachable
from edgelstm.searching.results import RULES, Found
from edgelstm.searching.space import Space
from edgelstm.searching.study import INSTALL, Study, Tell
from edgelstm.searching.summing_up import Searched, summed_up
from edgelstm.searching.trainings import Here, Trainings
from edgelstm.searching.working import DEFAULT_TRAINER, Trainer, find_trainer, versions
from edgelstm.training.data import CLASSES, TrainingData, read_data


def search(
    space: Space | None = None,
    data: Any = None,
    devices: Sequence[str] = ("stm32u575",),
    budget: int = 40,
    seed: int = 0,
    block: int = 4,
    period_ms: float | None = None,
    executor: Executor | None = None,
    train: Trainer | str | None = None,
    folder: str | os.PathLike[str] | None = None,
    *,
    epochs: int = 100,
    objectives: Sequence[str] = ("accuracy", "energy"),
    repeats: int = 1,
    sleep: str = "deep",
    battery: str | float | None = None,
    kernels: str | None = None,
    max_energy_uj: float | None = None,
    max_latency_us: float | None = None,
    min_accuracy: float | None = None,
    max_rmse: float | None = None,
    pick: str = "knee",
    fresh: bool = False,
    workers: int = 1,
    tell: Tell | None = None,
) -> Found:
    """The front of accuracy over energy, per device, of what a budget of trainings finds.

    Args:
        space: What a network may be; None: LSTM and GRU, 4 to 64 units, one or two layers.
        data: See `training.data.read_data`; None: the bundled series.
        devices: Names, or paths of device files. Training does not depend on them; what is worth
            one is chosen for the first.
        budget: Trainings at most. One architecture in several precisions is one training.
        seed: Of the split, the choice, and with the architecture of each training.
        block: Trainings between two choices: workers beyond it idle.
        period_ms: From step to step: energy is then that of a period.
        executor: Where trainings take place; None: one after the other, in this process.
        train: ``function(candidate, data, seed, epochs) -> Network``, or ``module:function``; None:
            `training.torch.train`. On an executor it must be importable.
        folder: Where the log and weights are kept; a search that is started again goes on there.
            None: in memory.
        epochs: Of each training.
        objectives: `accuracy` and what else of `energy latency flash ram`.
        repeats: How often the front is trained, each time with another seed.
        sleep, battery, kernels, max_energy_uj, max_latency_us: See `Conditions`.
        min_accuracy, max_rmse: What the chosen point must have.
        pick: `knee`, `cheapest`, `best`.
        fresh: Whether to begin anew where the folder has a log.
        workers: That the executor has, for the time that is left.
        tell: Called with what is going on.

    Raises:
        ModelError: Options, data, a space or a log that cannot be used; a bound that no candidate
            meets; a package that is missing.
        DeviceError: A device, period, sleep or battery that is none.
    """
    limits = {"objectives": tuple(objectives), "max_energy_uj": max_energy_uj}
    use = {"period_ms": period_ms, "sleep": sleep, "battery": battery, "kernels": kernels}
    conditions = Conditions(**use, **limits, max_latency_us=max_latency_us)  # type: ignore[arg-type]
    for value, name in ((budget, "budget"), (epochs, "epochs"), (block, "block")):
        check_whole(value, name)
    check_whole(repeats, "repeats")
    check_whole(seed, "seed", least=0)
    _check_choice(conditions, pick)
    known = [read_device(name) for name in ([devices] if isinstance(devices, str) else devices)]
    if not known:
        raise ModelError("devices is empty; at least one is needed")
    given = read_data(data, seed)
    limit = _limit(given, min_accuracy, max_rmse)
    filled = _filled(space or Space(), known, given)
    task = filled.task(last_step=given.last_step)
    points = cost_points(filled.candidates(), known, task, conditions)
    check_reachable(points, conditions)
    trainer = _trainer(train)
    header = {
        "space": filled.to_dict(),
        "seed": seed,
        "data": given.digest,
        "trainer": trainer if isinstance(trainer, str) else _name(trainer),
        "versions": versions(),
    }
    study = Study(points, known[0].name, conditions, given, budget=budget, seed=seed, block=block)
    log = Log(folder, header, fresh=fresh)
    with contextlib.closing(log):
        run = Trainings(log, executor or Here(), given, trainer, epochs, study.precisions)
        study.run(run, tell or (lambda text: None), workers)
        searched = Searched(filled, tuple(device.name for device in known), study, run, repeats)
        return summed_up(searched, pick, limit)


def _check_choice(conditions: Conditions, pick: str) -> None:
    if "accuracy" not in conditions.objectives:
        raise ModelError("objectives lack accuracy, which is what is trained for; name it too")
    if pick not in RULES:
        raise ModelError(f"pick '{pick}' is unknown; known: {', '.join(RULES)}")


def _limit(data: TrainingData, accuracy: float | None, rmse: float | None) -> float | None:
    """What the chosen point must have, of the kind that the data have."""
    own, other = ("min_accuracy", "max_rmse")[:: 1 if data.kind == CLASSES else -1]
    given = {"min_accuracy": accuracy, "max_rmse": rmse}
    if given[other] is not None:
        kind = "classes" if data.kind == CLASSES else "real values"
        raise ModelError(f"{other} is given, and y holds {kind}: {own} is what they have")
    limit = given[own]
    most = 1.0 if data.kind == CLASSES else math.inf
    if limit is not None and not 0 < limit <= most:
        raise ModelError(f"{own} is {limit}; a number above 0, at most {most:g}, is needed")
    return limit


def _filled(space: Space, devices: Sequence[Any], data: TrainingData) -> Space:
    """The space with the sizes of the data; `ModelError` where it says others."""
    sizes = {"input_size": data.input_size, "outputs": data.outputs, "steps": data.steps}
    filled = space.filled(devices, **sizes)
    for name, size in sizes.items():
        if getattr(filled, name) != size:
            raise ModelError(
                f"{name} of the space is {getattr(filled, name)}, that of the data {size}; leave "
                "it out"
            )
    return filled


def _trainer(train: Trainer | str | None) -> Trainer | str:
    if train is None:
        if not is_installed("torch"):
            raise ModelError(f"training needs torch: {INSTALL}; or give a trainer of your own")
        return DEFAULT_TRAINER
    if isinstance(train, str):
        find_trainer(train)
    elif not callable(train):
        raise ModelError(f"train is a {type(train).__name__}; a function is needed")
    return train


def _name(trainer: Trainer) -> str:
    return f"{trainer.__module__}:{getattr(trainer, '__qualname__', type(trainer).__qualname__)}"
