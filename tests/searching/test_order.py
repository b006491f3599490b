"""The order of candidates by estimated cycles is that of what an emulated core executes.

`EDGELSTM_RANKING=60 pytest tests/searching/test_order.py` takes so many candidates a core.
"""

import itertools
import os
import pathlib
import random

import numpy as np
import pytest

import edgelstm
from edgelstm.cells import CELLS
from edgelstm.cost.count_ops import count as count_operations
from edgelstm.cost.cycles import Interval
from edgelstm.cost.energy import estimate
from edgelstm.devices.device import read_device
from edgelstm.runtimes.emulated.counting import count
from edgelstm.runtimes.folder import open_folder
from edgelstm.searching.space import Candidate, Task
from tests.networks import random_input, random_network
from tests.present import skip_without
from tests.runtimes.sweep import image_of_all

skip_without("cortex-m4")
pytest.importorskip("ziglang", reason='pip install "edgelstm[mcu]"')
DEVICES = {"cortex-m4": "stm32l4r5", "cortex-m33": "stm32u575"}
N = int(os.environ.get("EDGELSTM_RANKING", "12"))
UNITS, TASK = (8, 128), Task(12, 9, 29)


def candidates(n: int) -> list[Candidate]:
    """Every cell equally often, of one and two layers, sizes drawn by seed."""
    draw = random.Random(7)
    kinds = list(itertools.product(CELLS, (1, 2)))
    draw.shuffle(kinds)
    return [
        Candidate(cell, draw.randint(*UNITS) if n > 16 else draw.randint(8, 64), layers, "int8")
        for cell, layers in (kinds[k % len(kinds)] for k in range(n))
    ]


def executed(place: pathlib.Path, core: str, chosen: list[Candidate]) -> list[int]:
    """Instructions of a step of each, all in one image."""
    folders = []
    for k, one in enumerate(chosen):
        sizes = (TASK.input_size, *[one.hidden_size] * one.layers)
        network = random_network(one.cell, sizes, outputs=TASK.outputs, last_step=True)
        qnetwork = edgelstm.quantize(network, random_input(network, 2, 10))
        path = place / f"n{k}_{core.replace('-', '')}_c"
        folders.append(open_folder(edgelstm.write(qnetwork, path, target=core)))
    image = image_of_all(place, core, folders)
    x = np.zeros((2, TASK.input_size), np.int8)
    return [count(folder, core, image, x).instructions for folder in folders]


def estimated(core: str, chosen: list[Candidate]) -> list[Interval]:
    device = read_device(DEVICES[core])
    found = []
    for one in chosen:
        counts = count_operations(one.network(TASK), precision="int8")
        latency = estimate(counts, device, "edgelstm").latency_us
        assert latency is not None
        found.append(latency)
    return found


def tau(one: list[float], other: list[float]) -> float:
    """Kendall's: the share of pairs in the same order less that of the others."""
    signs = [
        np.sign(a - b) * np.sign(c - d)
        for (a, c), (b, d) in itertools.combinations(zip(one, other, strict=True), 2)
    ]
    return float(np.mean(signs))


def test_tau_is_that_of_a_worked_example() -> None:
    assert tau([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(2 / 3)  # one pair of six is swapped
    assert tau([1, 2, 3], [3, 2, 1]) == -1


@pytest.mark.slow
@pytest.mark.parametrize("core", DEVICES)
def test_estimates_rank_candidates_as_the_emulated_core_does(
    tmp_path: pathlib.Path, core: str
) -> None:
    chosen = candidates(N)
    instructions, latency = executed(tmp_path, core, chosen), estimated(core, chosen)
    middle = [float(us.typical or 0) for us in latency]
    found = {"all": tau(middle, list(map(float, instructions)))}
    for cell in dict.fromkeys(one.cell for one in chosen):
        of = [k for k, one in enumerate(chosen) if one.cell == cell]
        if len(of) > 3:
            found[cell] = tau([middle[k] for k in of], [float(instructions[k]) for k in of])
    apart = wrong = 0
    for k, j in itertools.permutations(range(len(chosen)), 2):
        if latency[k].high < latency[j].low:
            apart += 1
            wrong += instructions[k] >= instructions[j]
    print(f"{core}: {len(chosen)} candidates, {found}, {wrong} of {apart} pairs told apart wrong")
    assert min(found.values()) >= 0.9
    assert apart and wrong <= apart / 100
