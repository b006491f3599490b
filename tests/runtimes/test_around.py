"""What stands around recurrent layers, int8, in every runtime: no value differs.

`EDGELSTM_AROUND=all pytest tests/runtimes/test_around.py -s` tries each piece behind LSTM and GRU
of 1, 16 and 33 units in one and two layers, on more sequences, and prints how many values.
"""

import collections
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgelstm.formats import facts, has_file, write
from edgelstm.layers.activation import Activation
from edgelstm.layers.dense import Dense
from edgelstm.layers.embedding import Embedding
from edgelstm.layers.read_steps import ReadSteps, Repeat
from edgelstm.layers.reverse_steps import ReverseSteps
from edgelstm.model.network import Network
from edgelstm.quantization.quantizer import quantize
from edgelstm.runtimes import RUNTIMES
from edgelstm.verification.verifier import verify
from tests.networks import random_bidirectional, random_input, random_recurrent, uniform

INPUTS, OUTPUTS, STEPS, WORDS = 5, 96, 12, 40
ALL = os.environ.get("EDGELSTM_AROUND") == "all"
SEQUENCES = 100 if ALL else 20
GIVEN: collections.Counter[str] = collections.Counter()  # values, by runtime
Made = Callable[[Any, str, int, int], list[Any]]


def stack(rng: Any, cell: str, units: int, n: int, inputs: int = INPUTS, **options: Any) -> Any:
    """Layers of one cell."""
    make = random_bidirectional if options.get("both") else random_recurrent
    made: list[Any] = []
    for k in range(n):
        name = f"{options.get('name', cell)}{k + 1}"
        made.append(make(cell, made[-1].output_size if made else inputs, units, rng, name=name))
    return made


def head(rng: Any, inputs: int, activation: str | None = None, outputs: int = OUTPUTS) -> Dense:
    """Dense, on what is read."""
    weight = uniform(rng, (outputs, inputs), inputs**-0.5)
    return Dense("dense1", weight, uniform(rng, (outputs,), 0.5), activation)


def read(*reads: str, activation: str | None = None) -> Made:
    """A stack, what is read of it, and a head."""

    def made(rng: Any, cell: str, units: int, n: int) -> list[Any]:
        steps = STEPS if "flatten" in reads else None
        reading = ReadSteps(units, reads, steps)
        return [*stack(rng, cell, units, n), reading, head(rng, reading.output_size, activation)]

    return made


def act(function: str, *numbers: float) -> Made:
    """A stack, an activation on each step, the last one, and a head."""

    def made(rng: Any, cell: str, units: int, n: int) -> list[Any]:
        layer = Activation("activation1", units, function, numbers)
        return [*stack(rng, cell, units, n), layer, ReadSteps(units), head(rng, units)]

    return made


def act_last(function: str, *numbers: float) -> Made:
    """A stack, the last step, a head whose results go from -10 to 10 and beyond, an activation."""

    def made(rng: Any, cell: str, units: int, n: int) -> list[Any]:
        dense, layer = head(rng, units), Activation("activation1", OUTPUTS, function, numbers)
        wide = Dense("dense1", 20 * dense.weight, 8 * dense.bias)
        return [*stack(rng, cell, units, n), ReadSteps(units), wide, layer]

    return made


def embedding(rng: Any, cell: str, units: int, n: int) -> list[Any]:
    table = Embedding("embedding1", uniform(rng, (WORDS, INPUTS), 1.0))
    return [table, *stack(rng, cell, units, n), ReadSteps(units), head(rng, units)]


def finals(rng: Any, cell: str, units: int, n: int) -> list[Any]:
    reading = ReadSteps(2 * units, ("finals",))
    return [*stack(rng, cell, units, n, both=True), reading, head(rng, 2 * units)]


def backward(rng: Any, cell: str, units: int, n: int) -> list[Any]:
    """From the last step to the first, alone."""
    layers = [ReverseSteps(INPUTS), *stack(rng, cell, units, n), ReverseSteps(units)]
    return [*layers, ReadSteps(units), head(rng, units)]


def summed(rng: Any, cell: str, units: int, n: int) -> list[Any]:
    """Two directions added: the reader's weights stand twice."""
    half = head(rng, units, outputs=8)
    weight = np.concatenate([half.weight, half.weight], 1)
    return [*stack(rng, cell, units, n, both=True), Dense("dense1", weight, half.bias)]


def ends_repeated(rng: Any, cell: str, units: int, n: int) -> list[Any]:
    """Where two directions end, in front of a decoder."""
    between = ReadSteps(2 * units, ("finals",)), Repeat(2 * units, STEPS + 3)
    decoder = stack(rng, cell, 8, 1, inputs=2 * units, name="decoder")
    encoder = stack(rng, cell, units, n, both=True)
    return [*encoder, *between, *decoder, head(rng, 8, outputs=8)]


def repeat(rng: Any, cell: str, units: int, n: int) -> list[Any]:
    decoder = stack(rng, cell, 8, 1, inputs=units, name="decoder")
    between = ReadSteps(units), Repeat(units, STEPS)
    return [*stack(rng, cell, units, n), *between, *decoder, head(rng, 8, outputs=8)]


PIECES: dict[str, Made] = {
    "embedding": embedding,
    "mean": read("mean"),
    "max": read("max"),
    "finals": finals,
    "backward": backward,
    "ends, repeated": ends_repeated,
    "sum": summed,
    "flatten": read("flatten"),
    "repeat": repeat,
    "last and max": read("last", "max"),
    "tanh head": read("last", activation="tanh"),
    "sigmoid head": read("last", activation="sigmoid"),
    "relu head": read("last", activation="relu"),
    "relu behind": act("relu"),
    "clamp behind": act("clamp", -0.25, 0.375),
    "leaky relu behind": act("leaky_relu", 0.2),
    "tanh behind": act("tanh"),
    "sigmoid behind": act("sigmoid"),
    "relu6": act_last("clamp", 0.0, 6.0),
    "clamp": act_last("clamp", -2.5, 1.25),
    "hard_sigmoid": act_last("hard_sigmoid", 0.2, 0.5),
    "hard_sigmoid of Keras 3": act_last("hard_sigmoid", 1 / 6, 0.5),
    "elu": act_last("elu", 1.0),
    "leaky relu": act_last("leaky_relu", 0.01),
}
EVERY = list(itertools.product(PIECES, ("lstm", "gru"), (1, 16, 33), (1, 2)))
QUICK = [
    *(("max", "lstm", 16, 2), ("finals", "gru", 3, 1), ("repeat", "lstm", 5, 1)),
    *(("relu behind", "lstm", 5, 1), ("tanh behind", "gru", 5, 1), ("hard_sigmoid", "lstm", 5, 1)),
    *(("relu6", "gru", 5, 1), ("elu", "lstm", 16, 1), ("leaky relu", "lstm", 5, 2)),
    ("ends, repeated", "lstm", 5, 1),
]


@pytest.mark.parametrize(("piece", "cell", "units", "n"), EVERY if ALL else QUICK)
def test_no_value_differs(piece: str, cell: str, units: int, n: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(units + n)
    network = Network(tuple(PIECES[piece](rng, cell, units, n)))
    x: Any = random_input(network, 20, STEPS)
    if network.indices:
        x = rng.integers(0, WORDS, (20, STEPS))
    # fused where .tflite has that
    form = None if has_file(network, ".tflite", "int8") else "composed"
    q = quantize(network, x, "int8", form)
    for suffix in (".tflite", ".onnx"):
        if suffix == ".onnx" and not has_file(q, suffix, "int8"):
            continue  # the mean
        path = write(q, tmp_path / f"net{suffix}", steps=STEPS)
        refused = facts(path).refused_by
        steps = None if suffix == ".tflite" else STEPS
        for result in verify(path, q, n_sequences=SEQUENCES, steps=steps).verified:
            absent = result.runtime in refused or RUNTIMES[result.runtime].obstacle
            expected = ("skipped", None) if absent else ("ok", 0)
            assert (result.status, result.mismatches) == expected, result
            GIVEN[f"{result.runtime}, {q.form}"] += result.values
    print(dict(GIVEN))
