"""What a step of C takes on each emulated core: `python -m benchmarks.bench_cores`.

An int8 LSTM and a GRU as PyTorch initialises them; the same as `edgelstm bench --core` counts. Then
the law of `cost/laws.py`, fitted to the cycles of several sizes on a Cortex-M4.
Needs ``pip install "edgelstm[mcu]"``.
"""

import pathlib
import tempfile

import numpy as np

import edgelstm
from benchmarks.networks import random_input, random_network
from edgelstm.cells import CELLS
from edgelstm.devices.cores import CORES
from edgelstm.runtimes.emulated.counting import Counted, count
from edgelstm.runtimes.emulated.cycles import cycles
from edgelstm.runtimes.emulated.image import Image
from edgelstm.runtimes.emulated.toolchain import image_of
from edgelstm.runtimes.folder import open_folder

SIZES = (40, 64)
LAW_SIZES = ((8, 16), (12, 48), (24, 24), (40, 32), (40, 64), (64, 64), (64, 128), (5, 32))
HEADS = ("instructions", "stack B", "RAM B", "flash B")


def counted(cell: str, sizes: tuple[int, int], core: str) -> tuple[Counted, Image, int]:
    """A step, the image and the bytes of the state."""
    network = edgelstm.quantize(random_network(cell, sizes), random_input(sizes[0]))
    with tempfile.TemporaryDirectory() as place:
        folder = open_folder(edgelstm.write(network, pathlib.Path(place) / "n_c", target=core))
        image = Image(image_of(folder, core))
        return (
            count(folder, core, image, np.zeros((2, sizes[0]), np.int8)),
            image,
            folder.state_bytes,
        )


def report(cell: str) -> None:
    """A line per core."""
    print(f"{f'{cell} {SIZES[0]} -> {SIZES[1]}':20s}" + "".join(f"{head:>14s}" for head in HEADS))
    for core in (name for name, known in CORES.items() if known.emulator):
        got, image, state_bytes = counted(cell, SIZES, core)
        figures = got.instructions, got.stack_bytes, state_bytes, image.flash_bytes
        print(f"{core:20s}" + "".join(f"{figure:14,d}" for figure in figures), flush=True)


def law(cell: str) -> None:
    """Cycles without wait states as a MAC + b H, and the largest error."""
    rows, gates = [], len(CELLS[cell].gates)
    for inputs, units in LAW_SIZES:
        got, image, _ = counted(cell, (inputs, units), "cortex-m4")
        macs = gates * units * (inputs + units)
        rows.append((macs, units, cycles(got, image, "cortex-m4")))
    macs, units, measured = np.array(rows, float).T
    terms = np.stack([macs / measured, units / measured], 1)
    (per_mac, per_unit), *_ = np.linalg.lstsq(terms, np.ones(len(rows)), rcond=None)
    error = np.abs(terms @ (per_mac, per_unit) - 1).max()
    print(f"{cell} on a Cortex-M4: {per_mac:.3f} MAC + {per_unit:.0f} H cycles, within {error:.1%}")


def main() -> None:
    """Prints both tables and laws."""
    for cell in ("lstm", "gru"):
        report(cell)
    for cell in ("lstm", "gru"):
        law(cell)


if __name__ == "__main__":
    main()
