"""A space of candidates: networks that could be trained, each known by its architecture alone.

>>> space = Space(cell="lstm", hidden=range(16, 49, 16), layers=1, precision=("int8", "float32"))
>>> [candidate.key() for candidate in space.candidates()]
['lstm-16x1-int8', 'lstm-16x1-float32', 'lstm-32x1-int8', 'lstm-32x1-float32', 'lstm-48x1-int8', \
'lstm-48x1-float32']
"""

import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from edgelstm.arguments import MOST_STEPS, check_whole
from edgelstm.cells import CELLS
from edgelstm.devices.device import Device
from edgelstm.errors import ModelError
from edgelstm.model.network import Network
from edgelstm.model.precision import find_precision
from edgelstm.model.sizes import LARGEST, shapes

T = TypeVar("T")
MOST_CANDIDATES = 1_000_000  # more is a slip of the keyboard


@dataclasses.dataclass(frozen=True)
class Task:
    """What every candidate is for.

    Attributes:
        input_size, outputs: Values of x per step, values of y.
        steps: Of a sequence, and so of a call of its file.
        last_step: Whether there is one answer a sequence; else there is one each step.
    """

    input_size: int
    outputs: int
    steps: int
    last_step: bool = True


@dataclasses.dataclass(frozen=True)
class Candidate:
    """An architecture and its precision.

    Attributes:
        cell: Key of `CELLS`, of each recurrent layer.
        hidden_size: Units of each recurrent layer.
        layers: Recurrent layers; a dense head comes on top.
        precision: Key of `PRECISIONS`, of the whole network.
        projection: Values that a projection leaves of h; None for no projection.
        bidirectional: Whether each recurrent layer has two directions.
    """

    cell: str
    hidden_size: int
    layers: int
    precision: str
    projection: int | None = None
    bidirectional: bool = False

    def key(self) -> str:
        """Its name, of letters, digits, `_` and `-`: the same on every machine.

        >>> Candidate("lstm", 48, 1, "int8").key()
        'lstm-48x1-int8'
        >>> Candidate("lstm", 48, 2, "hybrid", projection=24, bidirectional=True).key()
        'lstm-48p24x2-bidirectional-hybrid'
        """
        projection = "" if self.projection is None else f"p{self.projection}"
        sizes = f"{self.hidden_size}{projection}x{self.layers}"
        parts = (self.cell, sizes, *["bidirectional"] * self.bidirectional, self.precision)
        return "-".join(parts)

    def network(self, task: Task) -> Network:
        """Its layers in float32, all weights zeros that take no memory.

        Raises:
            ModelError: There is no such network: see `refusal`.
        """
        return shapes(
            self.cell,
            task.input_size,
            self.hidden_size,
            layers=self.layers,
            projection=self.projection,
            outputs=task.outputs,
            bidirectional=self.bidirectional,
            last_step=task.last_step,
        )

    def refusal(self) -> str | None:
        """Why there is no such network; None if there is one."""
        if self.projection is None:
            return None
        if "c" not in CELLS[self.cell].states:
            return f"a {self.cell} has no projection; LSTMs do"
        if self.projection >= self.hidden_size:
            return f"a projection to {self.projection} leaves nothing out of {self.hidden_size}"
        return None


@dataclasses.dataclass(frozen=True)
class Space:
    """Lists of what a network may be; every combination is a candidate.

    A single value stands for a list of one, and `range` for a list.

    Attributes:
        cell, hidden, layers, projection, bidirectional: As in `Candidate`.
        precision: None: what the devices should run, see `filled`.
        input_size, outputs, steps: As in `Task`; None: those of the data.

    Raises:
        ModelError: A list is empty, or a value is none.
    """

    cell: Sequence[str] = ("lstm", "gru")
    hidden: Sequence[int] = range(4, 65, 4)
    layers: Sequence[int] = (1, 2)
    precision: Sequence[str] | None = None
    projection: Sequence[int | None] = (None,)
    bidirectional: Sequence[bool] = (False,)
    input_size: int | None = None
    outputs: int | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        for field in ("cell", "hidden", "layers", "precision", "projection", "bidirectional"):
            if field != "precision" or self.precision is not None:
                object.__setattr__(self, field, _listed(getattr(self, field), field))
        for cell in self.cell:
            if cell not in CELLS:
                raise ModelError(f"cell {_shown(cell)} is unknown; known: {', '.join(CELLS)}")
        for precision in self.precision or ():
            find_precision(precision)
        _check_sizes("hidden", self.hidden, LARGEST["hidden"])
        _check_sizes("layers", self.layers, LARGEST["layers"])
        sizes = [size for size in self.projection if size is not None]
        _check_sizes("projection", sizes, LARGEST["projection"])
        for value in self.bidirectional:
            if not isinstance(value, bool):
                raise ModelError(f"bidirectional is {_shown(value)}; True or False is needed")
        most = {"input_size": "input", "outputs": "outputs"}
        for name, size in (("input_size", self.input_size), ("outputs", self.outputs)):
            if size is not None:
                check_whole(size, name, most=LARGEST[most[name]])
        if self.steps is not None:
            check_whole(self.steps, "steps", most=MOST_STEPS)
        if self.n_candidates > MOST_CANDIDATES:
            raise ModelError(
                f"the space has {self.n_candidates:,} candidates; at most {MOST_CANDIDATES:,} are "
                "taken: make it coarser"
            )

    @property
    def n_candidates(self) -> int:
        """How many candidates there are; at one precision where none is said."""
        product = len(self.precision or (None,))
        for values in (self.cell, self.hidden, self.layers, self.projection, self.bidirectional):
            product *= len(values)
        return product

    def candidates(self) -> tuple[Candidate, ...]:
        """Every combination, the last-named field changing fastest, and precision faster still.

        Raises:
            ModelError: The precision is not said: `filled` says it.
        """
        if self.precision is None:
            raise ModelError("the precision of the space is not said; `filled` takes the devices'")
        return tuple(
            Candidate(cell, hidden, layers, precision, projection, bidirectional)
            for cell, hidden, layers, projection, bidirectional, precision in itertools.product(
                *(self.cell, self.hidden, self.layers, self.projection, self.bidirectional),
                self.precision,
            )
        )

    def filled(
        self, devices: Iterable[Device], *, input_size: int, outputs: int, steps: int
    ) -> "Space":
        """The space with nothing left open.

        Args:
            devices: They say the precision where none is said: int8, hybrid where every one of
                them is a Raspberry Pi.
            input_size, outputs, steps: Of the data: taken where none is said.

        >>> from edgelstm.devices.device import read_device
        >>> Space().filled([read_device("rpi-5")], input_size=12, outputs=9, steps=29).precision
        ('hybrid',)
        """
        boards = all(device.kind == "sbc" for device in devices)
        return dataclasses.replace(
            self,
            precision=self.precision or ("hybrid" if boards else "int8",),
            input_size=self.input_size or input_size,
            outputs=self.outputs or outputs,
            steps=self.steps or steps,
        )

    def task(self, *, last_step: bool = True) -> Task:
        """What the candidates are for, of a space that is filled.

        Raises:
            ModelError: A size is not said.
        """
        sizes = self.input_size, self.outputs, self.steps
        if None in sizes:
            raise ModelError("input_size, outputs and steps of the space are not said")
        return Task(*sizes, last_step)  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, Any]:
        """The object `space` of `search --json`: lists and numbers."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in vars(self).items()
        }


def _listed(values: Any, name: str) -> tuple[Any, ...]:
    """The values of a field, each once; a single value is a list of one."""
    if values is None or isinstance(values, str | int | bool):
        values = (values,)
    if not isinstance(values, Iterable):
        raise ModelError(f"{name} is {_shown(values)}; a value, a list or a range is needed")
    found = tuple(dict.fromkeys(_plain(value) for value in values))
    if not found:
        raise ModelError(f"{name} is an empty list; the space has no candidates: give a value")
    return found


def _plain(value: Any) -> Any:
    """A value that JSON holds: NumPy's numbers as Python's."""
    return value.item() if hasattr(value, "item") and not isinstance(value, str) else value


def _check_sizes(name: str, sizes: Iterable[Any], most: int) -> None:
    for size in sizes:
        if type(size) is not int or not 1 <= size <= most:
            raise ModelError(
                f"{name} is {_shown(size)}; whole numbers from 1 to {most:,} are needed"
            )


def _shown(value: Any) -> str:
    return repr(value)[:80]
