"""Which networks and files are tried in every runtime: each two choices meet in one at least."""

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from edgelstm.cells import CELLS
from edgelstm.layers.dense import Dense
from edgelstm.layers.read_steps import reading
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.quantizer import quantize
from tests.networks import random_direction, random_input, uniform

Case = dict[str, Any]
INPUTS, OUTPUTS, STEPS = 5, 24, 40

# What is chosen for a file; a cell's options stand beside its name.
CHOICES: dict[str, tuple[Any, ...]] = {
    "cell": (
        *((name, "") for name in CELLS),
        ("rnn", "relu"),
        ("lstm", "cell clip"),
        ("lstm", "projection"),
        ("lstm_peephole", "projection"),
        ("gru", "bidirectional"),
    ),
    "reads": (
        *("every step", "last step"),
        *("dense", "dense relu", "dense sigmoid", "dense tanh"),
    ),
    "hidden": (1, 3, 16, 33),
    "layers": ("one", "two", "two cells"),
    "time": ("whole", "inside", "io"),
    "gain": (1, 6),
    "precision": ("int8", "int16x8"),
}

PLAIN: Case = {"cell": ("lstm", ""), "time": "whole", "gain": 1}  # goes with everything


def is_possible(case: Case) -> bool:
    """A reverse direction begins at the last step; relu and such weights leave any scale."""
    _, option = case["cell"]
    streams, is_wild = case["time"] != "whole", case["gain"] != 1
    return not (streams and option == "bidirectional") and not (is_wild and option == "relu")


def cases() -> list[Case]:
    """A case for each pair of choices that no earlier one has: the best of some tries."""
    rng = np.random.default_rng(0)
    left = dict.fromkeys(_all_pairs())
    found: list[Case] = []
    while left:
        pair = dict(next(iter(left)))
        tried = [{name: _any(rng, of) for name, of in CHOICES.items()} | pair for _ in range(60)]
        best = max(filter(is_possible, tried), key=lambda case: len(_pairs(case) & left.keys()))
        left = {pair: None for pair in left if pair not in _pairs(best)}
        found.append(best)
    return found


def _any(rng: np.random.Generator, choices: tuple[Any, ...]) -> Any:
    return choices[rng.integers(len(choices))]


def _pairs(case: Case) -> set[tuple[Any, ...]]:
    return set(itertools.combinations(case.items(), 2))


def _all_pairs() -> Iterator[tuple[Any, ...]]:
    for (a, of_a), (b, of_b) in itertools.combinations(CHOICES.items(), 2):
        for pair in itertools.product(of_a, of_b):
            case = PLAIN | dict(zip((a, b), pair, strict=True))
            if is_possible(case):
                yield (a, pair[0]), (b, pair[1])


def label(case: Case) -> str:
    """Of a test."""
    return " ".join(str(v) for v in (*case["cell"], *list(case.values())[1:]) if v != "")


def network_of(case: Case) -> QuantizedNetwork:
    """Calibrated on 20 sequences."""
    rng = np.random.default_rng(case["hidden"])
    cells = [case["cell"]]
    if case["layers"] != "one":
        cells.append(case["cell"] if case["layers"] == "two" else ("mgu", ""))
    layers: list[Any] = []
    for number, (cell, option) in enumerate(cells):
        inputs = layers[-1].output_size if layers else INPUTS
        made = _layer(cell, option, f"{cell}_{number}", (inputs, case["hidden"]), case["gain"], rng)
        layers.append(made)
    if case["reads"].startswith("dense"):
        size, activation = layers[-1].output_size, case["reads"].removeprefix("dense").strip()
        weight, bias = uniform(rng, (OUTPUTS, size), size**-0.5), uniform(rng, (OUTPUTS,), 0.5)
        layers.append(Dense("head", weight, bias, activation or None))
    network = Network(reading(layers, last_step=case["reads"] == "last step"))
    return quantize(network, random_input(network, 20, STEPS), case["precision"], "composed")


def _layer(
    cell: str, option: str, name: str, sizes: tuple[int, int], gain: float, rng: Any
) -> Recurrent[Any]:
    options: dict[str, Any] = {"name": name, "gain": gain}
    options["cell_clip"] = 0.4 if option == "cell clip" else 0.0
    options["projection"] = max(1, sizes[1] // 2) if option == "projection" else 0
    directions = [random_direction(cell, *sizes, rng, **options)]
    if option == "relu":
        directions[0] = dataclasses.replace(directions[0], nonlinearity="relu")
    if option == "bidirectional":
        options["name"] += "_reverse"
        directions.append(random_direction(cell, *sizes, rng, **options))
    return Recurrent(tuple(directions))
