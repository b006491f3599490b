"""Networks that are written as C in tests, and the one program that holds all of them."""

import pathlib
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

import edgelstm
from edgelstm.cells import CELLS
from edgelstm.formats.c.names import network_name
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork
from tests.integer_lstms import lstm_of, random_case
from tests.networks import random_input, random_network

AnyNetwork = Network | QuantizedNetwork
WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wpedantic", "-Werror")
SANITIZED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def every_cell() -> Iterator[tuple[str, AnyNetwork]]:
    """Two layers and a head, in each cell and precision that C has."""
    for cell in CELLS:
        network = random_network(cell, (5, 8, 7), outputs=3)
        yield f"{cell}_float", network
        x = random_input(network, 8, 20)
        for precision in ("int8", "int16x8"):
            yield f"{cell}_{precision}x", edgelstm.quantize(network, x, precision)


def every_head() -> Iterator[tuple[str, AnyNetwork]]:
    """What a head may be, over the last step or each; a clip of the cell; a projection."""
    for activation in (None, "relu", "sigmoid", "tanh", "softmax"):
        for last in (True, False):
            network = random_network(
                "lstm", (3, 6), outputs=4, activation=activation, last_step=last, cell_clip=0.5
            )
            name = f"head_{activation}_{'last' if last else 'each'}"
            yield f"{name}_float", network
            yield f"{name}_int", edgelstm.quantize(network, random_input(network, 8, 20))


def every_layout() -> Iterator[tuple[str, AnyNetwork, str]]:
    """Networks with the weights of each core, whose plain C reads them here.

    Random integer LSTMs, and cells in the form of operations: every one where rows are rescaled in
    blocks of their gates.
    """
    for name, network in every_cell():
        if network.input is not None:
            yield f"{name}_dsp", network, "cortex-m4"
            if name.startswith("gru"):
                yield f"{name}_a64", network, "cortex-a53"
    rng = np.random.default_rng(3)
    for core in ("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m55", "cortex-a53"):
        for k in range(9):
            network = lstm_of(random_case(rng), rng)
            yield f"{core.replace('-', '')}_{k}", network, core


def in_one_program(
    folder: pathlib.Path,
    networks: Iterable[tuple[Any, ...]],
    words: Iterable[str],
    emulator: Sequence[str] = (),
) -> str:
    """What the tests of all these folders print, compiled together; `words` call the compiler.

    `networks`: name, network, and a core if it is for one; `emulator` runs the program.
    """
    sources: dict[str, pathlib.Path] = {}
    includes, mains = [], []
    for name, network, *core in networks:
        path = edgelstm.write(network, folder / f"{name}_c", target=core[0] if core else None)
        called = network_name(path.name, network.precision)
        sources |= {file.name: file for file in (path / "src").glob("*.c")}
        includes.append(f"-I{path / 'src'}")
        main = folder / f"{name}_main.c"
        test = path / "test" / "main_test.c"
        main.write_text(f'#define main {called}_main\nint main(void);\n#include "{test}"\n')
        sources[main.name] = main
        mains.append(f"{called}_main")
    declared = "".join(f"int {main}(void);\n" for main in mains)
    calls = " + ".join(f"{main}()" for main in mains)
    whole = folder / "main.c"
    whole.write_text(f"{declared}int main(void)\n{{\n    return {calls};\n}}\n")
    program = folder / "program"
    compiled = [*words, *includes, "-o", program, whole, *sources.values()]
    subprocess.run([str(word) for word in compiled], check=True, timeout=300)
    done = subprocess.run([*emulator, program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
