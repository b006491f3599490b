"""What is read of the steps: a layer without numbers, and one that repeats what was read."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.layers.recurrent import Recurrent
from edgelstm.layers.reverse_steps import ReverseSteps
from edgelstm.layers.without_numbers import WithoutNumbers
from edgelstm.text import counted

N = TypeVar("N", bound=Any)
Array = NDArray[Any]


def _finals(y: Array) -> Array:
    """The forward direction's last step beside the reverse one's first: where each of them ends."""
    half = y.shape[2] // 2
    return np.concatenate([y[:, -1, :half], y[:, 0, half:]], 1)


# What is read to its function: (batch, steps, size) -> (batch, values).
READ: dict[str, Callable[[Array], Array]] = {
    "last": lambda y: y[:, -1],
    "mean": lambda y: y.mean(1),
    "max": lambda y: y.max(1),
    "finals": _finals,
    "flatten": lambda y: y.reshape(len(y), y.shape[1] * y.shape[2]),
}


STREAMED = ("last", "max")  # known at each step, of the steps so far


@dataclasses.dataclass(frozen=True)
class ReadSteps(WithoutNumbers):
    """The layers behind it see one vector of a sequence, and the result has no time axis.

    Attributes:
        size: Values per time step that come in.
        reads: Of `READ`, one or two; what they give lies side by side.
        steps: How many there must be; None: any number. `flatten` needs it.
    """

    size: int
    reads: tuple[str, ...] = ("last",)
    steps: int | None = None
    kind: ClassVar[str] = "read_steps"

    def __post_init__(self) -> None:
        if not self.reads or not set(self.reads) <= set(READ):
            raise ModelError(f"{self.reads} is read of the steps; known are {', '.join(READ)}")
        if ("flatten" in self.reads) != (self.steps is not None):
            raise ModelError("the number of steps is fixed where all are read, and only there")
        if "finals" in self.reads and self.size % 2:
            raise ModelError(f"{self.size} values per step are not those of two directions")

    def read(self, y: Array, known: Mapping[str, Callable[[Array], Array]] = READ) -> Array:
        """(batch, steps, size) to what goes on, (batch, output_size); `known`: as `READ`."""
        found = [known[name](y) for name in self.reads]
        return found[0] if len(found) == 1 else np.concatenate(found, 1)

    def read_on(
        self, y: Array, largest: Array, known: Mapping[str, Callable[[Array], Array]] = READ
    ) -> tuple[Array, Array]:
        """As `read`, where earlier steps reached `largest`, (batch, size); also the new ones."""
        new: Array = np.maximum(largest, y.max(1))
        kept = new.astype(largest.dtype) if new.dtype.kind == "i" else new
        return self.read(y, {**known, "max": lambda y: new}), kept

    @property
    def needs_all_steps(self) -> str | None:
        """Why no step can be computed alone; None if it can."""
        others = [name for name in self.reads if name not in STREAMED]
        return f"the {others[0]} of the steps is known at the end alone" if others else None

    @property
    def name(self) -> str:
        """What is read."""
        return "last_step" if self.reads == ("last",) else "_and_".join(self.reads)

    @property
    def output_size(self) -> int:
        """Values that go out."""
        return sum(self.size * (self.steps or 1 if r == "flatten" else 1) for r in self.reads)


@dataclasses.dataclass(frozen=True)
class Repeat(WithoutNumbers):
    """What was read of the steps, as each step of a sequence that begins here.

    Attributes:
        size: Values that come in.
        steps: Of the sequence that goes out.
    """

    size: int
    steps: int
    kind: ClassVar[str] = "repeat"

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ModelError(f"repeats {self.steps} times; at least once is needed")

    def read(self, y: Array, known: Mapping[str, Callable[[Array], Array]] = READ) -> Array:
        """(batch, size) to what goes on, (batch, steps, size); `known` has no part in it."""
        return np.repeat(y.reshape(len(y), 1, self.size), self.steps, 1)

    @property
    def needs_all_steps(self) -> str:
        """See `ReadSteps`."""
        return f"it repeats what was read {counted(self.steps, 'time')} when all steps are known"


READING = (ReadSteps, Repeat)  # what ends a sequence or begins one


def reads_last(layers: Iterable[Any]) -> bool:
    """Whether the result of these layers has no time axis."""
    ends = [isinstance(layer, ReadSteps) for layer in layers if isinstance(layer, READING)]
    return bool(ends) and ends[-1]


def largest_starts(layers: Iterable[Any]) -> dict[str, Array]:
    """What the max of the steps begins with, (size,), by layer, as it is stored.

    Of networks alone whose steps can be computed one by one.
    """
    given = list(layers)
    if any(len(layer.parts) > 1 or getattr(layer, "needs_all_steps", None) for layer in given):
        return {}
    found, before = {}, None
    for layer in given:
        if isinstance(layer, ReadSteps) and "max" in layer.reads:
            if any(part.name == layer.name for other in given for part in other.parts):
                raise ModelError(f"a layer is called '{layer.name}', as what is read of the steps")
            kind = np.float32 if before is None or before.input is None else before.output.type
            info: Any = np.finfo(kind) if kind is np.float32 else np.iinfo(kind)
            found[layer.name] = np.full(layer.size, info.min, kind)
        before = layer.parts[0] if layer.parts else before
    return found


def backward(layers: Iterable[Any]) -> set[str]:
    """Recurrent layers that see the steps from the last to the first."""
    found, turned = set(), False
    for layer in layers:
        if isinstance(layer, ReverseSteps):
            turned = not turned
        elif isinstance(layer, Repeat):
            turned = False
        elif turned and isinstance(layer, Recurrent):
            found.add(layer.name)
    return found


def reading(layers: Iterable[Any], *, last_step: bool) -> tuple[Any, ...]:
    """The layers, read at each step, or at the last one behind the last recurrent layer.

    What stands in front of a layer that repeats stays as it is.

    Raises:
        ModelError: The last step is wanted, and no layer is recurrent.
    """
    given = list(layers)
    start = max((k + 1 for k, layer in enumerate(given) if isinstance(layer, Repeat)), default=0)
    before, behind = given[:start], given[start:]
    every = [layer for layer in behind if not isinstance(layer, ReadSteps)]
    if not last_step or not every:
        return (*before, *every)
    over = [k + 1 for k, v in enumerate(every) if isinstance(v, Recurrent | ReverseSteps)]
    if not any(isinstance(layer, Recurrent) for layer in every):
        raise ModelError(
            "a network of dense layers alone has no last step to select; "
            "use --head each (last_step=False)"
        )
    split = over[-1]
    read = ReadSteps(every[split - 1].output_size)
    return (*before, *every[:split], read, *every[split:])


def at_each_step(network: N) -> N:
    """The same network, which gives the result of each step."""
    layers = reading(network.layers, last_step=False)
    return dataclasses.replace(network, layers=layers)


def can_read_each(layers: Iterable[Any]) -> bool:
    """Whether `at_each_step` has a result: nothing but the last step is read."""
    return all(layer.reads == ("last",) for layer in layers if isinstance(layer, ReadSteps))


def check_reading(layers: Iterable[Any]) -> None:
    """`ModelError` unless the steps are read once at most in front of each repetition.

    Also where another number of steps is read side by side than a repetition gives.
    """
    is_read, steps = False, None
    for layer in layers:
        if isinstance(layer, Repeat):
            steps = layer.steps
        elif isinstance(layer, ReadSteps) and layer.steps and steps not in (None, layer.steps):
            raise ModelError(
                f"{counted(layer.steps, 'step')} are read side by side where {steps} are repeated"
            )
        if isinstance(layer, Repeat) and not is_read:
            raise ModelError("what is repeated is a sequence; one vector, read of it, is needed")
        if is_read and isinstance(layer, Recurrent | ReadSteps | ReverseSteps):
            raise ModelError(
                "the last step is read in front of a recurrent layer, or twice; it is read once, "
                "directly behind the last recurrent layer"
            )
        is_read = isinstance(layer, ReadSteps) or (is_read and not isinstance(layer, Repeat))


def fixed_steps(layers: Iterable[Any]) -> int | None:
    """How many steps the input must have; None: any number."""
    for layer in layers:
        if isinstance(layer, READING):
            return layer.steps if isinstance(layer, ReadSteps) else None
    return None


def result_steps(layers: Iterable[Any], steps: tuple[int, ...]) -> tuple[int, ...]:
    """The time axis of the result: none, that of x, or of what was repeated.

    Args:
        layers: Of a network.
        steps: Of x: one number.
    """
    for layer in layers:
        if isinstance(layer, READING):
            steps = (layer.steps,) if isinstance(layer, Repeat) else ()
    return steps


def check_steps(layers: Iterable[Any], n: int) -> None:
    """`ModelError` unless these layers can read a sequence of so many steps."""
    layers = list(layers)
    if n == 0 and any(isinstance(layer, ReadSteps) for layer in layers):
        raise ModelError("x has no steps; a network that reads the last step needs at least one")
    needed = fixed_steps(layers)
    if needed not in (None, n):
        raise ModelError(
            f"x has {counted(n, 'step')}; this network reads all of them side by side and takes "
            f"{needed}"
        )
