"""Many networks in one image for a core, as a build takes seconds; each compared with its twin."""

import pathlib
from collections.abc import Sequence

import numpy as np

import edgelstm
from edgelstm.layers.read_steps import at_each_step
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.reference import run_integers
from edgelstm.runtimes.emulated.image import Image
from edgelstm.runtimes.emulated.machine import EmulatedFile, Machine
from edgelstm.runtimes.emulated.qemu import Board
from edgelstm.runtimes.emulated.toolchain import link_folders, own_board
from edgelstm.runtimes.folder import Folder, open_folder


def image_of_all(place: pathlib.Path, core: str, folders: Sequence[Folder]) -> Image:
    """The kernels that folders share once, and the sources of each."""
    target = place / f"{core}.elf"
    link_folders(folders, core, target, board=own_board(core))
    return Image(target)


def values_that_differ(
    place: pathlib.Path, core: str, networks: Sequence[QuantizedNetwork], steps: int
) -> tuple[int, int]:
    """Compared and differing, over random input, half of it at the ends of its range."""
    paths = [
        edgelstm.write(network, place / f"n{k}_{core.replace('-', '')}_c", target=core)
        for k, network in enumerate(networks)
    ]
    folders = list(map(open_folder, paths))
    image = image_of_all(place, core, folders)
    compared, wrong, board = 0, 0, own_board(core)
    started = Board(board, image) if board else None
    for k, (folder, network) in enumerate(zip(folders, networks, strict=True)):
        rng = np.random.default_rng(k)
        low, high = np.iinfo(folder.input_type).min, np.iinfo(folder.input_type).max
        x = rng.integers(low, high + 1, (steps, folder.inputs)).astype(folder.input_type)
        x[steps // 2 :] = np.where(x[steps // 2 :] < 0, low, high)
        expected = run_integers(at_each_step(network), x[None])[0]
        file = EmulatedFile(folder, started or Machine(core, image, at_end=k % 2 == 0))
        got = np.array([file.step(x_t) for x_t in x])
        compared += got.size
        wrong += int((got != expected).sum())
    return compared, wrong
