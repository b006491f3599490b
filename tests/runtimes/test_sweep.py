"""Random integer LSTMs of any size, scale and zero point, on every core: no value differs.

`EDGELSTM_SWEEP=200 pytest tests/runtimes/test_sweep.py` takes so many networks a core.
"""

import os
import pathlib
from collections.abc import Iterator

import numpy as np
import pytest

import edgelstm
from edgelstm.cells import CELLS
from edgelstm.devices.cores import CORES
from edgelstm.layers.read_steps import reading
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork
from tests.integer_lstms import lstm_of, random_case
from tests.networks import random_input, random_network, random_recurrent
from tests.present import skip_without
from tests.runtimes.sweep import values_that_differ

skip_without("cortex-m4")
pytest.importorskip("ziglang", reason='pip install "edgelstm[mcu]"')
EMULATED = [name for name, core in CORES.items() if core.is_emulated]
# A76: test_a64.py
QUICK = ("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m55", "rv32imc", "cortex-a53")


def differ(place: pathlib.Path, core: str, n: int, seed: int) -> tuple[int, int]:
    skip_without(core)
    rng = np.random.default_rng(seed)
    networks = [lstm_of(random_case(rng), rng) for _ in range(n)]
    return values_that_differ(place, core, networks, 12)


@pytest.mark.parametrize("core", QUICK)
def test_random_networks_are_the_reference(tmp_path: pathlib.Path, core: str) -> None:
    compared, wrong = differ(tmp_path, core, 20, 0)
    assert wrong == 0 and compared > 1000


def composed(cell: str, sizes: tuple[int, ...], gain: float, precision: str) -> QuantizedNetwork:
    network = random_network(cell, sizes, outputs=3, activation="tanh", gain=gain)
    return edgelstm.quantize(network, random_input(network, 4, 20), precision, "composed")


def projected() -> Iterator[QuantizedNetwork]:
    """Products that give a state, or the result of the network, of whole blocks and others."""
    rng = np.random.default_rng(2)
    for projection in (4, 6):
        layer = random_recurrent("lstm", 5, 9, rng, name="lstm1", projection=projection)
        network = Network(reading([layer], last_step=False))
        for precision in ("int8", "int16x8"):
            x = random_input(network, 4, 20)
            yield edgelstm.quantize(network, x, precision, "composed")
    head = random_network("gru", (3, 6), outputs=5)
    yield edgelstm.quantize(head, random_input(head, 4, 20), "int16x8")


@pytest.mark.parametrize(
    "core", [pytest.param(c, marks=[] if CORES[c].emulator else pytest.mark.slow) for c in QUICK]
)
def test_every_cell_in_operations_is_the_reference(tmp_path: pathlib.Path, core: str) -> None:
    skip_without(core)
    networks = [
        composed(cell, sizes, gain, precision)
        for cell in CELLS
        for sizes, gain, precision in (
            ((5, 9), 1, "int8"),
            ((3, 8, 6), 20, "int8"),
            ((2, 7), 3, "int16x8"),
        )
    ]
    networks.append(composed("gru", (300, 6), 1, "int8"))
    networks += projected()
    compared, wrong = values_that_differ(tmp_path, core, networks, 12)
    assert wrong == 0 and compared > 500


@pytest.mark.slow
@pytest.mark.parametrize("core", EMULATED)
def test_more_random_networks_are_the_reference(tmp_path: pathlib.Path, core: str) -> None:
    n = int(os.environ.get("EDGELSTM_SWEEP", "20"))
    compared, wrong = differ(tmp_path, core, n, 1)
    print(f"{core}: {compared:,} values of {n} networks, {wrong:,} differ")
    assert wrong == 0 and compared > 1_000
