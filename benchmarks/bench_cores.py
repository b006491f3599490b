"""What a step of C takes on each emulated core: `python -m benchmarks.bench_cores`.

An int8 LSTM and a GRU with random weights; the same as `edgelstm bench --core` counts. Then
the laws of `cost/laws.py`, fitted to the cycles of several sizes on a Cortex-M4: of the plain LSTM,
and of every cell in the composed form.
Needs ``pip install "edgelstm[mcu]"``.
"""

import itertools
import pathlib
import tempfile
from collections.abc import Iterable

import numpy as np

import edgelstm
from edgelstm.cells import CELLS
from edgelstm.devices.cores import CORES
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.runtimes import RUNTIMES
from edgelstm.runtimes.emulated.counting import Counted, count
from edgelstm.runtimes.emulated.cycles import cycles
from edgelstm.runtimes.emulated.image import Image
from edgelstm.runtimes.emulated.toolchain import image_of
from edgelstm.runtimes.folder import open_folder
from tests.networks import random_input, random_network

SIZES = (40, 64)
CORE = "cortex-m4"
LAW_SIZES = ((8, 16), (12, 48), (24, 24), (40, 32), (40, 64), (64, 64), (64, 128), (5, 32))
HEADS = ("instructions", "stack B", "RAM B", "flash B")


def quantized(cell: str, sizes: tuple[int, int], precision: str, form: str) -> QuantizedNetwork:
    """A layer by itself."""
    network = random_network(cell, sizes)
    return edgelstm.quantize(network, random_input(network, 4, 30), precision, form)


def counted(network: QuantizedNetwork, core: str) -> tuple[Counted, Image, int]:
    """A step, the image and the bytes of the state."""
    assert network.input is not None
    x = np.zeros((2, network.input_size), network.input.type)
    with tempfile.TemporaryDirectory() as place:
        folder = open_folder(edgelstm.write(network, pathlib.Path(place) / "n_c", target=core))
        image = Image(image_of(folder, core))
        return count(folder, core, image, x), image, folder.state_bytes


def report(cell: str, form: str) -> None:
    """A line per core."""
    print(f"{f'{cell} {SIZES[0]} -> {SIZES[1]}':20s}" + "".join(f"{head:>14s}" for head in HEADS))
    network = quantized(cell, SIZES, "int8", form)
    for core in (name for name in CORES if RUNTIMES[name].obstacle is None):
        got, image, state_bytes = counted(network, core)
        figures = got.instructions, got.stack_bytes, state_bytes, image.flash_bytes
        print(f"{core:20s}" + "".join(f"{figure:14,d}" for figure in figures), flush=True)


def law(cells: Iterable[str], precision: str, form: str) -> None:
    """Cycles without wait states as a MAC + b H, composed + c R, and the largest error of each."""
    rows = []
    for cell, sizes in itertools.product(cells, LAW_SIZES):
        network = quantized(cell, sizes, precision, form)
        got, image, _ = counted(network, CORE)
        total = edgelstm.count(network).total
        rows.append((total.macs, sizes[1], total.requantizations, cycles(got, image, CORE)))
    macs, units, requantizations, measured = np.array(rows, float).T
    terms = {"MAC": macs, "H": units}
    if form == "composed":  # else in proportion to the units
        terms["R"] = requantizations
    shares = np.stack([*terms.values()], 1) / measured[:, None]
    factors, *_ = np.linalg.lstsq(shares, np.ones(len(rows)), rcond=None)
    error = np.abs(shares @ factors - 1).max()
    said = " + ".join(f"{n:.4g} {of}" for n, of in zip(factors, terms, strict=True))
    print(f"{precision}, {form}, on a {CORE}: {said} cycles, within {error:.1%}", flush=True)


def main() -> None:
    """Prints both tables and the laws."""
    report("lstm", "fused")
    report("gru", "composed")
    law(["lstm"], "int8", "fused")
    law(CELLS, "int8", "composed")
    law(CELLS, "int16x8", "composed")


if __name__ == "__main__":
    main()
