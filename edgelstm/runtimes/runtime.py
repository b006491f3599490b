"""What a runtime is: where its adapter stands, what it needs, and whether it is there."""

import dataclasses
import importlib.metadata
import importlib.util
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class OpenedFile(Protocol):
    """A file in its runtime, with a state over time."""

    def run(self, sequences: Array) -> Array:
        """Outputs of whole sequences, each from the initial state.

        Args:
            sequences: (n, steps, input_size), in the file's own type.

        Returns:
            (n, steps, output_size), or (n, output_size) if the file's head reads the last step.
            The state that remains is that of any of the sequences: `reset` before `step`.
        """

    def step(self, x_t: Array) -> Array:
        """Output (output_size,) of one step (input_size,), from the state of the step before."""

    def reset(self) -> None:
        """Returns to the initial state."""


class CalledFile:
    """An `OpenedFile` of an interpreter that takes and gives arrays.

    Args:
        invoke: One call, batch 1: the inputs to the outputs, in the order of the file.
        reset: Returns the state inside of the interpreter to its start.
        start: What its inputs behind x are at the start: states, whose new values stand at the same
            places behind y.
    """

    def __init__(
        self,
        invoke: Callable[[Sequence[Array]], Sequence[Array]],
        reset: Callable[[], object],
        start: Sequence[Array] = (),
    ) -> None:
        self._invoke, self._reset = invoke, reset
        self._start = self._now = tuple(start)

    def run(self, sequences: Array) -> Array:
        """See `OpenedFile`."""
        return np.stack([self._run_one(x) for x in sequences])

    def _run_one(self, x: Array) -> Array:
        self.reset()
        y: Array = self._call(x[None])[0]
        return y

    def step(self, x_t: Array) -> Array:
        """See `OpenedFile`."""
        return self._call(x_t[None, None]).reshape(-1)

    def reset(self) -> None:
        """See `OpenedFile`."""
        self._reset()
        self._now = self._start

    def _call(self, x: Array) -> Array:
        y, *now = self._invoke([x, *self._now])
        self._now = tuple(now)
        return y


def initial(details: Mapping[str, Any], value: Any) -> Array:
    """A state at its start, of a TensorFlow Lite interpreter's details of that input."""
    return np.broadcast_to(np.asarray(value, details["dtype"]), tuple(details["shape"])).copy()


Opener = Callable[[Path, Mapping[str, Array]], OpenedFile]
Call = Callable[[], Array]


@dataclasses.dataclass(frozen=True, eq=False)
class Calling:
    """How a file is called again and again, for `Preparer`s.

    Attributes:
        x: What each call reads anew, in the file's own type: (steps, input_size) of a sequence that
            begins at the initial state, or (input_size,) of a step that goes on from the last one.
        initial_states: As an `Opener` takes them.
        threads: That may share a call.
        batch_axis: Of the file's x: 1 where its steps come first.
    """

    x: Array
    initial_states: Mapping[str, Array] = dataclasses.field(default_factory=dict)
    threads: int = 1
    batch_axis: int = 0

    @property
    def is_step(self) -> bool:
        """Whether a call is one step, of a streaming file."""
        return self.x.ndim == 1

    @property
    def batched(self) -> Array:
        """The same memory as the file takes it: (1, steps, input_size), or (steps, 1, ...)."""
        rows = self.x.reshape(-1, self.x.shape[-1])
        return np.expand_dims(rows, self.batch_axis)


# Opens a file and returns a call that builds and checks nothing any more. Its result may be
# memory that the next call overwrites.
Preparer = Callable[[Path, Calling], Call]


@dataclasses.dataclass(frozen=True)
class Runtime:
    """One runtime.

    Attributes:
        opener: ``module:function`` of the `Opener`, called in a child process alone; words behind
            a further colon are its last arguments. Its second argument holds initial states by the
            names of the file's inputs; files that keep their state inside need none.
        package: What is imported; None: it is a program alone.
        distribution: What pip calls it.
        suffix: Of the files it runs.
        install: The line that installs it.
        needs: What its packages are built for, if that is not everything.
        numpy_below: Major version of numpy that it does not work with any more, or None.
        preparer: ``module:function`` of the `Preparer`: the fastest way in, for measuring.
        programs: Of which any does in the package's place.
        absent: Why it runs nowhere here, or None.
    """

    opener: str
    package: str | None
    distribution: str
    suffix: str
    install: str
    needs: str | None = None
    numpy_below: int | None = None
    preparer: str = ""
    programs: tuple[str, ...] = ()
    absent: str | None = None

    @property
    def version(self) -> str | None:
        """Installed version; None if absent or of another distribution. Imports nothing."""
        try:
            return importlib.metadata.version(self.distribution)
        except importlib.metadata.PackageNotFoundError:
            return None

    @property
    def obstacle(self) -> str | None:
        """Why it does not run here, with the line that installs it; None if it does."""
        if self.absent or any(map(shutil.which, self.programs)):
            return self.absent
        needs = f" (needs {self.needs})" if self.needs else ""
        if self.package is None or importlib.util.find_spec(self.package) is None:
            return f"{self.distribution} is not installed: {self.install}{needs}"
        if self.numpy_below is not None and int(np.__version__.split(".")[0]) >= self.numpy_below:
            return (
                f"{self.distribution} does not work with the installed numpy {np.__version__}: "
                f"{self.install}{needs}"
            )
        return None
