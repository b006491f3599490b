"""One training, wherever it takes place: what is sent there, and what comes back.

Data go to a process once: a task names them by their digest, and a process that lacks them says so
and is sent them.
"""

import dataclasses
import importlib
import importlib.metadata
import platform
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.errors import DeviceError, ModelError
from edgelstm.layers.directions import parts
from edgelstm.layers.recurrent import Direction, Recurrent
from edgelstm.model.network import Network
from edgelstm.printable import one_line
from edgelstm.searching.space import Candidate, Task
from edgelstm.training.data import TrainingData
from edgelstm.training.scoring import Score, in_precision, saturated, score

Trainer = Callable[[Any, TrainingData, int, int], Network]
DEFAULT_TRAINER = "edgelstm.training.torch:train"
VERSIONS = ("edgelstm", "numpy", "torch")
MOST_DATA = 4  # that a process keeps
SIGNALLED = (130, 143)  # what a command exits with by Ctrl-C, or as it is terminated

_data: dict[str, TrainingData] = {}


@dataclasses.dataclass(frozen=True, eq=False)
class Work:
    """What is sent to a worker.

    Attributes:
        candidate: What is trained; its precision has no part in it.
        precisions: That are measured.
        digest: Of the data.
        seed, epochs: Of the trainer.
        trainer: A function, or ``module:function``.
        versions: Of the process that asks: a worker must have the same.
        arrays: Weights, where it is trained already and only measured; else None.
    """

    candidate: Candidate
    precisions: tuple[str, ...]
    digest: str
    seed: int
    epochs: int
    trainer: Trainer | str
    versions: Mapping[str, str | None]
    arrays: Mapping[str, NDArray[np.float32]] | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Outcome:
    """What comes back; `needs_data` alone where the worker lacks them.

    Attributes:
        scores, saturation: By precision.
        arrays: Weights by name.
        seconds: Of the training.
        host: Where it was.
        reason: Why it failed.
        refused: Why this worker cannot be used at all.
    """

    scores: Mapping[str, Score] = dataclasses.field(default_factory=dict)
    saturation: Mapping[str, float] = dataclasses.field(default_factory=dict)
    arrays: Mapping[str, NDArray[np.float32]] | None = None
    seconds: float = 0.0
    host: str = ""
    reason: str | None = None
    refused: str | None = None
    needs_data: bool = False


def work(asked: Work, data: TrainingData | None = None) -> Outcome:
    """Trains and measures in this process; what goes wrong in the trainer is a reason."""
    host = platform.node()
    if told := _differs(asked.versions):
        return Outcome(host=host, refused=f"worker {host} has {told}")
    if data is not None:
        while len(_data) >= MOST_DATA:
            _data.pop(next(iter(_data)))
        _data[asked.digest] = _frozen(data)
    known = _data.get(asked.digest)
    if known is None:
        return Outcome(host=host, needs_data=True)
    begin = time.monotonic()
    try:
        skeleton = asked.candidate.network(task_of(known))
        if asked.arrays is None:
            trainer = _trainer(asked.trainer)
            network = trainer(asked.candidate, known, asked.seed, asked.epochs)
            _check_like(network, skeleton, asked.candidate)
        else:
            network = with_weights(skeleton, asked.arrays)
        seconds = time.monotonic() - begin
        ready = {name: in_precision(network, name, known) for name in asked.precisions}
        found = {name: score(made, known.valid, known.kind) for name, made in ready.items()}
        if not all(np.isfinite(value.value) for value in found.values()):
            return _failed(begin, host, "its results are not finite")
    except (ModelError, DeviceError) as error:
        return _failed(begin, host, str(error))
    except (Exception, SystemExit) as error:  # whatever a trainer raises: the search goes on
        return _failed(begin, host, f"{type(error).__name__}: {error}")
    cut = {name: saturated(made) for name, made in ready.items()}
    return Outcome(found, cut, weights(network), round(seconds, 3), host)


def _frozen(data: TrainingData) -> TrainingData:
    """The same, read-only: what is sent to a process arrives writable, and is trained on again."""
    for part in (data.train, data.valid, data.test):
        for values in (part.x, part.y) if part else ():
            values.flags.writeable = False
    return data


def task_of(data: TrainingData) -> Task:
    """What every candidate is for."""
    return Task(data.input_size, data.outputs, data.steps, data.last_step)


def versions() -> dict[str, str | None]:
    """What must be the same wherever a search trains."""
    found: dict[str, str | None] = {}
    for name in VERSIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def difference(own: Mapping[str, str | None], needed: Mapping[str, str | None]) -> str | None:
    """What of two sets of versions is not the same, in words; None where all is.

    >>> difference({"numpy": "2.0", "torch": None}, {"numpy": "2.4", "torch": None})
    'numpy 2.0, and 2.4 is here'
    """
    for name, version in needed.items():
        if own.get(name) != version:
            return f"{name} {own.get(name) or 'missing'}, and {version or 'none'} is here"
    return None


def _differs(needed: Mapping[str, str | None]) -> str | None:
    return difference(versions(), needed)


def _failed(begin: float, host: str, reason: str) -> Outcome:
    spent = round(time.monotonic() - begin, 3)
    return Outcome(seconds=spent, host=host, reason=one_line(reason)[:300])


def _trainer(named: Trainer | str) -> Trainer:
    return find_trainer(named) if isinstance(named, str) else named


def find_trainer(name: str) -> Trainer:
    """The function ``module:function``.

    Raises:
        ModelError: There is none of that name, or its module cannot be imported.
    """
    module, _, function = name.partition(":")
    if not module or not function:
        raise ModelError(f"trainer '{name}' is none; MODULE:FUNCTION is needed")
    try:
        found: Any = getattr(importlib.import_module(module), function, None)
    except Exception as error:  # whatever a module does as it is imported
        told = one_line(str(error))
        raise ModelError(f"trainer '{name}' cannot be imported: {told}") from None
    except (SystemExit, KeyboardInterrupt) as error:
        if isinstance(error, SystemExit) and error.code in SIGNALLED:
            raise  # the command's own end
        told = one_line(f"it ends with {type(error).__name__} {error}".rstrip())
        raise ModelError(f"trainer '{name}' cannot be imported: {told}") from None
    if not callable(found):
        raise ModelError(f"trainer '{name}': {module} has no function '{function}'")
    trainer: Trainer = found
    return trainer


def _check_like(network: Any, skeleton: Network, candidate: Candidate) -> None:
    """`ModelError` unless a trainer gave what it was asked for."""
    if not isinstance(network, Network):
        raise ModelError(f"the trainer returned a {type(network).__name__}, not a float Network")
    kinds = [[(layer.kind, layer.name) for layer in n.layers] for n in (network, skeleton)]
    sizes = [[part.sizes for part in parts(n.layers)] for n in (network, skeleton)]
    if kinds[0] != kinds[1] or sizes[0] != sizes[1] or network.input_mean is not None:
        raise ModelError(f"the trainer returned another network than {candidate.key()}: {network}")
    for name, value in weights(network).items():
        if not np.isfinite(value).all():
            raise ModelError(f"the trainer returned {name} that holds NaN or infinity")


def weights(network: Network) -> dict[str, NDArray[np.float32]]:
    """Weights by PyTorch's names of a state dict: `lstm1.weight_ih_l0`, `dense1.bias`."""
    found = {}
    for layer in network.layers:
        for name, value in layer.arrays.items():
            found[_name(layer, name)] = np.ascontiguousarray(value)
    return found


def _name(layer: Any, name: str) -> str:
    if not isinstance(layer, Recurrent):
        return f"{layer.name}.{name}"
    plain, reverse, _ = name.partition("_reverse")
    return f"{layer.name}.{plain}_l0{reverse}"


def with_weights(skeleton: Network, arrays: Mapping[str, NDArray[np.float32]]) -> Network:
    """The network of a skeleton's shapes with weights of `weights`."""

    def filled(layer: Any, part: Any, end: str = "") -> Any:
        names = {name: _name(layer, name + end) for name in part.arrays}
        wrong = [
            name
            for k, name in names.items()
            if name not in arrays or arrays[name].shape != getattr(part, k).shape
        ]
        if wrong:
            raise ModelError(
                f"weights that an earlier training left lack {', '.join(wrong)} of the network's "
                "shape; --fresh begins anew"
            )
        return dataclasses.replace(part, **{k: arrays[name] for k, name in names.items()})

    layers: list[Any] = []
    for layer in skeleton.layers:
        if isinstance(layer, Recurrent):
            ends = ("", "_reverse")
            made: list[Direction] = [
                filled(layer, part, end) for part, end in zip(layer.parts, ends, strict=False)
            ]
            layers.append(Recurrent(tuple(made)))
        else:
            layers.append(filled(layer, layer) if layer.parts else layer)
    return dataclasses.replace(skeleton, layers=tuple(layers))
