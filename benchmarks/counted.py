"""What `bench_instructions` counts: signals itself thrice a case, before and behind two pieces.

The first piece is empty, so that what a piece costs beside its steps is known.
"""

import functools
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.execution.compiled import NumbaEngine
from edgelstm.execution.session import Session
from edgelstm.kernels.layer import KEPT_ROWS
from edgelstm.quantization.quantizer import quantize
from tests.networks import random_input, random_network

Array = NDArray[Any]
SIZES = ((16, 32), (40, 64), (64, 128))
FORMATS = ("float32", "int8", "hybrid")
STEPS = KEPT_ROWS  # whose input products are formed together
NETWORK = "network"  # the argument that asks for it
CALLS, N_CALLS = ("step", "run"), 4  # of a Session
MARK = signal.SIGUSR1


def kernels() -> Iterator[Callable[[int], None]]:
    """Every format and size of one LSTM: runs so many steps by one call of its kernel."""
    for form in FORMATS:
        for sizes in SIZES:
            network = random_network("lstm", sizes)
            data = random_input(network, 2, 30) if form == "int8" else None
            ready = network if form == "float32" else quantize(network, data, form)
            kind = np.int8 if form == "int8" else np.float32
            run = NumbaEngine(ready, 1).call(is_step=False, real=form != "int8")
            x, y = (np.ones((1, STEPS, size), kind) for size in sizes)
            yield functools.partial(_advance, run, x, y)


def _advance(run: Callable[[Array, Array], int], x: Array, y: Array, steps: int) -> None:
    run(x[:, :steps], y[:, :steps])


def network() -> Iterator[Callable[[int], None]]:
    """Every format of a network of the bundled one's sizes: `Session.step`, then `Session.run`.

    From Python, float32 in and out; `run` takes 29 steps.
    """
    given = random_network("lstm", (12, 48), outputs=9, last_step=True)
    data = random_input(given, 2, 29)
    for form in FORMATS:
        session = Session(given if form == "float32" else quantize(given, data, form))
        out = np.empty(given.output_size, np.float32)
        yield functools.partial(_repeat, functools.partial(session.step, data[0, 0], out=out))
        yield functools.partial(_repeat, functools.partial(session.run, data[0]))


def _repeat(call: Callable[[], object], times: int) -> None:
    for _ in range(times):
        call()


def repeats(what: Sequence[str]) -> int:
    """How many steps, or calls, a piece is asked for, by the arguments of this program."""
    return N_CALLS if what else STEPS


def main() -> None:
    """Kernels, or the network if that is the argument; the first piece of each is not counted."""
    signal.signal(MARK, signal.SIG_IGN)
    what = sys.argv[1:]
    for piece in network() if what == [NETWORK] else kernels():
        piece(repeats(what))
        for steps in (0, repeats(what)):
            os.kill(os.getpid(), MARK)
            piece(steps)
        os.kill(os.getpid(), MARK)


if __name__ == "__main__":
    main()
