"""Preparers of edgelstm's own engines: an `.npz` file of a network, called through `Session`."""

import functools
from pathlib import Path

import numpy as np

from edgelstm.execution.backends import compile_kernels, open_engine
from edgelstm.execution.session import Session
from edgelstm.formats import read
from edgelstm.model.front import split_front
from edgelstm.runtimes.runtime import Array, Call, Calling


def prepare_numba(path: Path, calling: Calling) -> Call:
    """A `Preparer` of the compiled kernels, which are compiled here: no call waits for that."""
    network = read(path)
    engine = open_engine("numba", split_front(network)[1], None)
    compile_kernels(engine.step_kernels() if calling.is_step else engine.kernels())
    return _prepared(Session(network, engine="numba"), calling)


def prepare_reference(path: Path, calling: Calling) -> Call:
    """A `Preparer` of the oracle in NumPy."""
    return _prepared(Session(read(path), engine="reference"), calling)


def _prepared(session: Session, calling: Calling) -> Call:
    x = calling.x
    if calling.is_step:
        out = np.array(session.step(x))
        session.reset()
        return functools.partial(session.step, x, out)

    def call() -> Array:
        session.reset()
        return session.run(x)

    return call
