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
from edgelstm.runtimes.emulated.toolchain import FLAGS, SCRIPT, VERBS, core_words, link
from edgelstm.runtimes.folder import Folder, open_folder


def image_of_all(place: pathlib.Path, core: str, folders: Sequence[Folder]) -> Image:
    """The kernels that folders share once, and the sources of each."""
    sources = {source.name: source for folder in folders for source in folder.sources}
    includes = [f"-I{folder.path / 'src'}" for folder in folders]
    roots = [f"-Wl,-u,{folder.name}_{verb}" for folder in folders for verb in VERBS]
    entry = f"-Wl,-e,{folders[0].name}_run"
    words = [*core_words(core), *FLAGS, f"-Wl,-T,{SCRIPT}", entry, *roots, *includes]
    target = place / f"{core}.elf"
    link(words, list(sources.values()), target)
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
    compared = wrong = 0
    for k, (folder, network) in enumerate(zip(folders, networks, strict=True)):
        rng = np.random.default_rng(k)
        low, high = np.iinfo(folder.input_type).min, np.iinfo(folder.input_type).max
        x = rng.integers(low, high + 1, (steps, folder.inputs)).astype(folder.input_type)
        x[steps // 2 :] = np.where(x[steps // 2 :] < 0, low, high)
        expected = run_integers(at_each_step(network), x[None])[0]
        file = EmulatedFile(folder, Machine(core, image, at_end=k % 2 == 0))
        got = np.array([file.step(x_t) for x_t in x])
        compared += got.size
        wrong += int((got != expected).sum())
    return compared, wrong
