"""What a step of C takes on each emulated core: `python -m benchmarks.bench_cores`.

An int8 LSTM and a GRU as PyTorch initialises them; the same as `edgelstm bench --core` counts.
Needs ``pip install "edgelstm[mcu]"``.
"""

import pathlib
import tempfile

import numpy as np

import edgelstm
from benchmarks.networks import random_input, random_network
from edgelstm.devices.cores import CORES
from edgelstm.runtimes.emulated.counting import count
from edgelstm.runtimes.emulated.image import Image
from edgelstm.runtimes.emulated.toolchain import image_of
from edgelstm.runtimes.folder import open_folder

SIZES = (40, 64)
HEADS = ("instructions", "stack B", "RAM B", "flash B")


def report(cell: str) -> None:
    """A line per core."""
    x = random_input(SIZES[0])
    network = edgelstm.quantize(random_network(cell, SIZES), x)
    print(f"{f'{cell} {SIZES[0]} -> {SIZES[1]}':20s}" + "".join(f"{head:>14s}" for head in HEADS))
    for core in (name for name, known in CORES.items() if known.emulator):
        with tempfile.TemporaryDirectory() as place:
            folder = open_folder(edgelstm.write(network, pathlib.Path(place) / "n_c", target=core))
            image = Image(image_of(folder, core))
            got = count(folder, core, image, np.zeros((2, SIZES[0]), np.int8))
        figures = got.instructions, got.stack_bytes, folder.state_bytes, image.flash_bytes
        print(f"{core:20s}" + "".join(f"{figure:14,d}" for figure in figures), flush=True)


def main() -> None:
    """Prints both tables."""
    for cell in ("lstm", "gru"):
        report(cell)


if __name__ == "__main__":
    main()
