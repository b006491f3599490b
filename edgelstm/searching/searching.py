"""search: costs for every candidate, trainings for the few that matter, a front per device."""

import contextlib
import dataclasses
import hashlib
import inspect
import math
import os
import sys
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
from edgelstm.searching.picking import RULES
from edgelstm.searching.rejections import check_reachable
from edgelstm.searching.results import Found
from edgelstm.searching.space import Space
from edgelstm.searching.study import INSTALL, Study, Tell, unheard
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

    Raises:
        ModelError: Options, data, a space or a log that cannot be used; a bound that no candidate
            meets; a package that is missing.
        DeviceError: A device, period, sleep or battery that is none.
    """
    wanted = Wanted(
        space or Space(),
        data,
        (devices,) if isinstance(devices, str) else tuple(devices),
        Conditions(
            period_ms=period_ms,
            sleep=sleep,
            battery=battery,
            kernels=kernels,
            objectives=tuple(objectives),
            max_energy_uj=max_energy_uj,
            max_latency_us=max_latency_us,
        ),
        budget=budget,
        seed=seed,
        block=block,
        epochs=epochs,
        repeats=repeats,
        train=train,
        folder=folder,
        fresh=fresh,
        min_accuracy=min_accuracy,
        max_rmse=max_rmse,
        pick=pick,
    )
    return search_for(wanted, executor)


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What a search is for: the arguments of `search`, executor aside."""

    space: Space
    data: Any
    devices: tuple[str, ...]
    conditions: Conditions
    budget: int = 40
    seed: int = 0
    block: int = 4
    epochs: int = 100
    repeats: int = 1
    train: Trainer | str | None = None
    folder: str | os.PathLike[str] | None = None
    fresh: bool = False
    min_accuracy: float | None = None
    max_rmse: float | None = None
    pick: str = "knee"

    def __post_init__(self) -> None:
        for name in ("budget", "block", "epochs", "repeats"):
            check_whole(getattr(self, name), name)
        check_whole(self.seed, "seed", least=0)
        if not self.devices:
            raise ModelError("devices is empty; at least one is needed")
        _check_choice(self.conditions, self.pick)


def search_for(wanted: Wanted, executor: Executor | None = None, tell: Tell = unheard) -> Found:
    """As `search`; `tell` is called with what is going on."""
    known = [read_device(name) for name in dict.fromkeys(wanted.devices)]
    given = read_data(wanted.data, wanted.seed)
    limit = _limit(given, wanted.min_accuracy, wanted.max_rmse)
    filled = filled_by(given, wanted.space, known)
    task = filled.task(last_step=given.last_step)
    points = cost_points(filled.candidates(), known, task, wanted.conditions)
    check_reachable(points, wanted.conditions)
    trainer = _trainer(wanted.train)
    header = {
        "space": filled.to_dict(),
        "seed": wanted.seed,
        "data": given.digest,
        "trainer": _name(trainer),
        "versions": versions(),
    }
    how = {"budget": wanted.budget, "seed": wanted.seed, "block": wanted.block}
    study = Study(points, known[0].name, wanted.conditions, given, **how)
    log = Log(wanted.folder, header, fresh=wanted.fresh)
    with contextlib.closing(log):
        where = executor or Here()
        run = Trainings(log, where, given, trainer, wanted.epochs, study.precisions)
        study.run(run, tell)
        names = tuple(device.name for device in known)
        searched = Searched(filled, names, study, run, wanted.repeats)
        return summed_up(searched, wanted.pick, limit)


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


def filled_by(data: TrainingData, space: Space, devices: Sequence[Any]) -> Space:
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


def _name(trainer: Trainer | str) -> str:
    """Module and function; of a trainer of your own also which text of its module it was."""
    if trainer == DEFAULT_TRAINER:
        return DEFAULT_TRAINER
    name = trainer
    if not isinstance(name, str):
        name = f"{name.__module__}:{getattr(name, '__qualname__', type(name).__qualname__)}"
    try:
        source = inspect.getsource(sys.modules[name.partition(":")[0]])
    except (OSError, TypeError, KeyError):  # typed into a shell, or compiled
        return name
    return f"{name} ({hashlib.sha256(source.encode()).hexdigest()[:8]})"
