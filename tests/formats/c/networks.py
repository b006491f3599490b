"""Networks that are written as C in tests, and the one program that holds all of them."""

import pathlib
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

import edgelstm
from edgelstm.cells import CELLS
from edgelstm.formats.c.names import network_name
from edgelstm.layers.activation import FUNCTIONS, Activation, LayerNorm
from edgelstm.layers.dense import Dense
from edgelstm.layers.embedding import Embedding
from edgelstm.layers.read_steps import ReadSteps, Repeat
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork
from tests.integer_lstms import lstm_of, random_case
from tests.networks import random_input, random_network, random_recurrent, uniform

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


def every_kind() -> Iterator[tuple[str, AnyNetwork]]:
    """What stands around recurrent layers, in each precision and form that has it."""
    for name, network in around().items():
        yield f"{name}_float", network
        x: Any = random_input(network, 8, network.fixed_steps or STEPS)
        if network.indices:
            x = np.random.default_rng(0).integers(0, 9, (8, STEPS))
        for precision, form in FORMS:
            if name in FLOAT_ALONE or (form == "fused" and name in COMPOSED_ALONE):
                continue
            if name == "elu" and precision != "int8":
                continue
            yield f"{name}_{precision}_{form}", edgelstm.quantize(network, x, precision, form)


STEPS = 7
FORMS = (("int8", "fused"), ("int8", "composed"), ("int16x8", "composed"))
FLOAT_ALONE = ("functions", "inside")
COMPOSED_ALONE = ("mean", "mean_max", "repeat_mean", "leaky_relu")


def around() -> dict[str, Network]:
    """Networks by what stands in them."""
    rng = np.random.default_rng(5)

    def lstm(name: str, inputs: int, units: int) -> Any:
        return random_recurrent("lstm", inputs, units, rng, name=name)

    def dense(name: str, inputs: int, outputs: int, activation: str | None = None) -> Dense:
        weight = uniform(rng, (outputs, inputs), inputs**-0.5)
        return Dense(name, weight, uniform(rng, (outputs,), 0.5), activation)

    def functions(*names: str) -> list[Activation]:
        numbers = {0: (), 1: (0.2,), 2: (-0.25, 0.375)}
        return [Activation(name, 6, name, numbers[FUNCTIONS[name]]) for name in names]

    table = Embedding("embedding1", uniform(rng, (9, 4), 1.0))
    first, head = lstm("lstm1", 4, 6), dense("dense1", 6, 3)
    two, norm = dense("dense1", 12, 3, "tanh"), uniform(rng, (2, 6), 2.0)
    repeated = (first, ReadSteps(6), Repeat(6, 5), lstm("lstm3", 6, 7))
    front = dense("dense2", 4, 4, "relu"), first, dense("dense3", 6, 6, "tanh")
    every = ReadSteps(6, ("last", "flatten"), 3)
    layers: dict[str, tuple[Any, ...]] = {
        "embedding": (table, first, head),
        "between": (*front, lstm("lstm2", 6, 5)),
        "max": (first, ReadSteps(6, ("max",)), head),
        "last_max": (table, first, ReadSteps(6, ("last", "max")), two),
        "mean": (first, ReadSteps(6, ("mean",)), head),
        "mean_max": (first, ReadSteps(6, ("mean", "max")), two),
        "flatten": (first, every, dense("dense1", 24, 3, "relu")),
        "repeat": (*repeated, dense("dense1", 7, 4)),
        "repeat_last": (*repeated, ReadSteps(7), dense("dense1", 7, 2)),
        "repeat_mean": (table, *repeated, ReadSteps(7, ("mean",)), dense("dense1", 7, 2)),
        "normalized": (first, head),
        "functions": (
            *(first, ReadSteps(6), *functions("leaky_relu", "elu", "softmax", "l2_norm")),
            *(LayerNorm("norm1", norm[0], norm[1], 1e-5), *functions("log_softmax")),
        ),
        "inside": (first, *functions("clamp", "hard_sigmoid", "relu", "sigmoid", "tanh")),
        "clips": (
            *(first, *functions("relu"), dense("dense1", 6, 6), *functions("hard_sigmoid")),
            *(dense("dense2", 6, 6), *functions("clamp")),
        ),
        "curves": (first, *functions("tanh", "sigmoid"), head),
        "elu": (first, dense("dense1", 6, 6), Activation("elu", 6, "elu", (1.0,))),
        "leaky_relu": (
            *(first, *functions("leaky_relu"), dense("dense1", 6, 6)),
            Activation("leaky", 6, "leaky_relu", (-0.3,)),
        ),
    }
    std = np.array([0.5, 2.0, 0.25, -1.5], np.float32)
    given = {"input_mean": uniform(rng, (4,), 3.0), "input_std": std}
    options: dict[str, Any] = {"normalized": given}
    return {name: Network(held, **options.get(name, {})) for name, held in layers.items()}
