"""Files of step graphs in every runtime that is here: each cell, precision and form of time."""

import pathlib
from typing import Any

import numpy as np
import pytest

from edgelstm.cells import CELLS
from edgelstm.errors import ModelError
from edgelstm.formats import encode, facts, read, write
from edgelstm.formats.description import describe
from edgelstm.layers.directions import parts
from edgelstm.model.forward import forward
from edgelstm.model.network import Network
from edgelstm.verification.verifier import verify
from tests.composed_files import BOTH, MIXED, STEPS, AnyNetwork, at
from tests.networks import random_input, random_network
from tests.present import imported
from tests.tflite_files import Litert, Tflm

FORMS = (False, True, "io")
PRECISIONS = ("float32", "hybrid", "int8", "int16x8")
EVERY = {name: random_network(name, (5, 8, 6), outputs=3, last_step=True) for name in CELLS}
EVERY |= MIXED


def written(network: AnyNetwork, folder: pathlib.Path, streaming: bool | str) -> pathlib.Path:
    steps = None if streaming else STEPS
    return write(network, folder / "net.tflite", steps=steps, streaming=streaming)


def check(network: AnyNetwork, folder: pathlib.Path, streaming: bool | str) -> None:
    """Each runtime computes what the oracles do, and the file reads back equal."""
    path = written(network, folder, streaming)
    found = verify(path, n_sequences=4)
    assert found.passed, [(v.runtime, v.status, v.reason) for v in found.verified]
    check_equal(read(path), network)


def check_equal(got: AnyNetwork, expected: AnyNetwork) -> None:
    """All but what only `quantize` knows; weights bit for bit."""
    described = [describe(network) for network in (got, expected)]
    for description in described:
        description["assumed"] = []
        for item in description["layers"]:
            item.pop("saturation", None)
    assert described[0] == described[1]
    for one, other in zip(parts(got.layers), parts(expected.layers), strict=True):
        for name, array in other.arrays.items():
            assert one.arrays[name].dtype == array.dtype
            np.testing.assert_array_equal(one.arrays[name], array)


# Every file. Such large weights make much of the last bit that hybrid arithmetic leaves open; a
# plain LSTM of real values has an operator of its own.
FILES = [
    (name, precision, streaming)
    for name in EVERY
    for precision in PRECISIONS
    for streaming in FORMS
    if (name, precision) != ("saturating", "hybrid")
    and (name != "lstm" or streaming == "io" or precision.startswith("int"))
]


@pytest.mark.parametrize(("name", "precision", "streaming"), FILES[:: len(FORMS) * 2 + 1])
def test_runtimes_compute_what_the_host_computes(
    name: str, precision: str, streaming: bool | str, tmp_path: pathlib.Path
) -> None:
    check(at(EVERY[name], precision), tmp_path, streaming)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "precision", "streaming"), FILES)
def test_every_file_of_each_network(
    name: str, precision: str, streaming: bool | str, tmp_path: pathlib.Path
) -> None:
    check(at(EVERY[name], precision), tmp_path, streaming)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", BOTH)
def test_both_directions_are_two_loops(name: str, precision: str, tmp_path: pathlib.Path) -> None:
    network = at(BOTH[name], precision)
    check(network, tmp_path, False)
    with pytest.raises(ModelError, match="bidirectional"):
        write(network, tmp_path / "net.tflite", streaming="io")


@pytest.mark.parametrize("name", ["lstm_peephole", "gru", "33 units", "projections and a clip"])
def test_float_files_give_the_equations(name: str, tmp_path: pathlib.Path) -> None:
    network = EVERY[name]
    content = written(network, tmp_path, False).read_bytes()
    x = random_input(network, 3, STEPS)
    expected = forward(network, x)
    for runtime in (Litert, Tflm):
        got = np.concatenate([runtime(content).run(sequence[None]) for sequence in x])
        # Measured 4e-7 at most: sums in another order, and another tanh.
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "int8", "int16x8"])
def test_every_form_of_time_gives_the_same_and_starts_again(
    precision: str, tmp_path: pathlib.Path
) -> None:
    network = at(random_network("gru", (5, 9, 7), outputs=3), precision)
    scale = network.input
    x = random_input(network, 1, STEPS)
    if scale is not None:
        x = np.clip(x / scale.scale, *scale.limits).astype(scale.type)
    whole = Litert(written(network, tmp_path, False).read_bytes())
    expected = whole.run(x)[0]
    np.testing.assert_array_equal(whole.run(x)[0], expected)  # each call starts anew
    from edgelstm.runtimes.litert import open_litert
    from edgelstm.runtimes.tflm import open_tflm

    for streaming in (True, "io"):
        path = written(network, tmp_path, streaming)
        starts = facts(path).initial_states
        for opener in (open_litert, open_tflm):
            opened = opener(path, starts)
            for _ in range(2):
                opened.reset()
                got = np.array([opened.step(x_t) for x_t in x[0]])
                np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6 if scale is None else 0)


def operators(network: AnyNetwork, **options: Any) -> list[list[str]]:
    """Names of each graph's operators, by LiteRT's own schema."""
    schema = imported("litert", "ai_edge_litert.schema_py_generated")
    names = {v: k for k, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)}
    model = schema.ModelT.InitFromPackedBuf(encode(network, ".tflite", **options)[""], 0)
    codes = [names[code.builtinCode] for code in model.operatorCodes]
    return [[codes[op.opcodeIndex] for op in graph.operators or ()] for graph in model.subgraphs]


def test_one_loop_holds_all_layers_and_no_array_where_the_last_step_is_read() -> None:
    network = random_network("gru", (5, 8, 6), outputs=3, last_step=True)
    main, condition, body = operators(network, steps=9)
    assert main == ["WHILE", "RESHAPE", "FULLY_CONNECTED"] and condition == ["LESS"]
    assert body[:2] == ["CONCATENATION", "SLICE"] and body.count("FULLY_CONNECTED") == 12
    each = random_network("gru", (5, 8, 6), outputs=3)
    main, _, body = operators(each, steps=9)
    assert main == ["FILL", "WHILE", "FULLY_CONNECTED"]
    assert body.count("DYNAMIC_UPDATE_SLICE") == 1


def test_a_gru_has_the_operators_of_its_equations() -> None:
    (step,) = operators(at(random_network("gru", (5, 8)), "int16x8"), streaming="io")
    wanted = {"FULLY_CONNECTED": 6, "ADD": 4, "SUB": 1, "MUL": 2, "LOGISTIC": 2, "TANH": 1}
    assert {name: step.count(name) for name in wanted} == wanted
    assert len(step) == sum(wanted.values()) + 1  # y is a copy of the new state


def test_states_are_named_and_variables_counted(tmp_path: pathlib.Path) -> None:
    network = at(random_network("lstm_coupled", (5, 8, 6)), "int8")
    about = facts(written(network, tmp_path, "io"))
    assert list(about.initial_states) == ["h0", "c0", "h1", "c1"]
    assert about.resource_variables == 0 and about.streaming and about.steps == 1
    about = facts(written(network, tmp_path, True))
    assert about.resource_variables == 4 and not about.initial_states
    about = facts(written(network, tmp_path, False))
    assert about.starts_anew and not about.streaming and about.steps == STEPS
    assert {"WHILE", "FILL", "CAST", "QUANTIZE"} <= set(about.operators)


def test_a_plain_lstm_keeps_its_operator_except_for_states_as_inputs() -> None:
    network = random_network("lstm", (5, 8))
    assert operators(network, steps=4) == [["UNIDIRECTIONAL_SEQUENCE_LSTM"]]
    assert operators(network, streaming=True) == [["UNIDIRECTIONAL_SEQUENCE_LSTM"]]
    assert "LOGISTIC" in operators(network, streaming="io")[0]


def test_what_files_cannot_have_is_refused(tmp_path: pathlib.Path) -> None:
    network = random_network("gru", (5, 8))
    with pytest.raises(ModelError, match="False, True or 'io' is needed"):
        write(network, tmp_path / "net.tflite", streaming="yes")
    with pytest.raises(ModelError, match="steps is 3; it must be 1"):
        write(network, tmp_path / "net.tflite", steps=3, streaming="io")
    with pytest.raises(ModelError, match="refuses products of real values and int8 weights"):
        write(at(network, "hybrid"), tmp_path / "net.tflite", target="tflm")
    with pytest.raises(ModelError, match="has no DYNAMIC_UPDATE_SLICE of int16"):
        write(at(network, "int16x8"), tmp_path / "net.tflite", target="tflite-runtime")


def test_an_int8_gru_needs_little_beside_its_weights() -> None:
    network = random_network("gru", (40, 64), last_step=True)
    assert isinstance(network, Network)
    weights = 3 * 64 * (40 + 64)
    sizes = [len(encode(at(network, "int8"), ".tflite", steps=t)[""]) for t in (2, 1000)]
    assert max(sizes) <= weights + 12 * 1024 and max(sizes) - min(sizes) <= 16
