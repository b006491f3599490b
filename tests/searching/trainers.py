"""Trainers that cost milliseconds, and those that fail in every way; workers import them."""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from edgelstm.model.network import Network
from edgelstm.model.sizes import with_random_weights
from edgelstm.searching.space import Candidate, Space
from edgelstm.training.data import TrainingData

COUNTED = "EDGELSTM_TEST_COUNTED"  # a folder in which each training leaves a file
SPACE = Space(hidden=(2, 3, 4, 5, 6, 8, 10, 12), layers=(1, 2), precision=("int8", "float32"))
SMALL = Space(cell="lstm", hidden=(2, 3, 4), layers=(1,))


def data(seed: int = 0) -> dict[str, Any]:
    """Series of two classes that a mean tells apart."""
    rng = np.random.default_rng(seed)
    y = np.arange(40) % 2
    x = rng.normal(size=(40, 5, 3)) + y[:, None, None]
    return {"x": x.astype(np.float32), "y": y}


def quick(candidate: Candidate, given: TrainingData, seed: int, epochs: int) -> Network:
    """Random weights; leaves a file that counts it."""
    if COUNTED in os.environ:
        name = f"{candidate.cell}-{candidate.hidden_size}-{candidate.layers}-{seed}"
        Path(os.environ[COUNTED], f"{name}-{time.time_ns()}-{os.getpid()}").touch()
    return with_random_weights(candidate.network(given), seed)  # type: ignore[arg-type]


def sleepy(candidate: Candidate, given: TrainingData, seed: int, epochs: int) -> Network:
    """As `quick`, after as many tenths of a second as epochs."""
    time.sleep(epochs / 10)
    return quick(candidate, given, seed, epochs)


def span(seconds: float) -> tuple[float, float]:
    """When a call began and ended."""
    begin = time.monotonic()
    time.sleep(seconds)
    return begin, time.monotonic()


def raising(candidate: Candidate, given: TrainingData, seed: int, epochs: int) -> Network:
    """Raises for 3 units."""
    if candidate.hidden_size == 3:
        raise KeyError("no such thing")
    return quick(candidate, given, seed, epochs)


def another(candidate: Candidate, given: TrainingData, seed: int, epochs: int) -> Network:
    """Another architecture for 3 units."""
    other = Candidate("lstm", 7, 1, "int8") if candidate.hidden_size == 3 else candidate
    return quick(other, given, seed, epochs)


def nan(candidate: Candidate, given: TrainingData, seed: int, epochs: int) -> Network:
    """Weights that are no numbers for 3 units."""
    made = quick(candidate, given, seed, epochs)
    if candidate.hidden_size == 3:
        made.layers[0].arrays["weight_ih"][:] = np.nan
    return made


def no_network(candidate: Candidate, given: TrainingData, seed: int, epochs: int) -> Any:
    """Nothing at all for 3 units."""
    return None if candidate.hidden_size == 3 else quick(candidate, given, seed, epochs)


def hanging(candidate: Candidate, given: TrainingData, seed: int, epochs: int) -> Network:
    """Never returns for 3 units."""
    if candidate.hidden_size == 3:
        time.sleep(600)
    return quick(candidate, given, seed, epochs)


def ending(candidate: Candidate, given: TrainingData, seed: int, epochs: int) -> Network:
    """Ends its process for 3 units."""
    if candidate.hidden_size == 3:
        os.write(2, b"so long\n")
        os._exit(7)
    return quick(candidate, given, seed, epochs)


def interrupting(candidate: Candidate, given: TrainingData, seed: int, epochs: int) -> Network:
    """Ends its process by an exception that is no error for 3 units."""
    if candidate.hidden_size == 3:
        raise KeyboardInterrupt("no more")
    return quick(candidate, given, seed, epochs)


def writing(candidate: Candidate, given: TrainingData, seed: int, epochs: int) -> Network:
    """Writes into what it trains on for 3 units."""
    if candidate.hidden_size == 3:
        given.train.x[:] = 0
    return quick(candidate, given, seed, epochs)


def eating(candidate: Candidate, given: TrainingData, seed: int, epochs: int) -> Network:
    """Takes all memory for 3 units."""
    if candidate.hidden_size == 3:
        np.ones(2**40, np.uint8)
    return quick(candidate, given, seed, epochs)


def all_fail(candidate: Candidate, given: TrainingData, seed: int, epochs: int) -> Network:
    """Never a network."""
    raise ValueError("not today")
