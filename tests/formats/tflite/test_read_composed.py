"""Files of step graphs, read: what does not fit its metadata is refused in one line."""

import dataclasses
import json
import pathlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgelstm.errors import ModelError
from edgelstm.formats import facts, read, write
from edgelstm.formats.tflite import loop
from edgelstm.formats.tflite.metadata import KEY
from edgelstm.formats.tflite.model import Graph, Model, Operator, Tensor
from edgelstm.formats.tflite.pack import pack
from edgelstm.verification.verifier import verify
from tests.composed_files import AnyNetwork, at
from tests.networks import random_network

NETWORK = random_network("gru", (3, 5), outputs=2, last_step=True)


def model_of(network: AnyNetwork, streaming: bool | str = False) -> Model:
    return loop.composed_model(network, 1 if streaming else 7, streaming)


def stated(model: Model, **changes: Any) -> Model:
    """The model with other metadata."""
    told = json.loads(model.metadata[KEY]) | changes
    return dataclasses.replace(model, metadata={KEY: json.dumps(told).encode()})


def edited(model: Model, graph: int, change: Callable[[Operator], Operator], name: str) -> Model:
    """The model with each operator of a name in a graph changed."""
    found = model.graphs[graph]
    operators = tuple(change(op) if op.name == name else op for op in found.operators)
    graphs = list(model.graphs)
    graphs[graph] = dataclasses.replace(found, operators=operators)
    return dataclasses.replace(model, graphs=tuple(graphs))


def options(**changes: int) -> Callable[[Operator], Operator]:
    return lambda op: dataclasses.replace(op, options={**op.options, **changes})


def other_inputs(change: Callable[[Tensor], Tensor]) -> Callable[[Operator], Operator]:
    """Constants among the inputs changed."""
    return lambda op: dataclasses.replace(
        op, inputs=tuple(t if t is None or t.data is None else change(t) for t in op.inputs)
    )


def renamed(tensor: Tensor) -> Tensor:
    return dataclasses.replace(tensor, name=tensor.name.replace("weight_hh_z", "weights"))


def moved(tensor: Tensor) -> Tensor:
    """Limits of the loop and places of rows one off."""
    assert tensor.data is not None
    return dataclasses.replace(tensor, data=tensor.data + 1)


def layer(**changes: Any) -> list[dict[str, Any]]:
    return [{"name": "gru1", "cell": "gru"} | changes, {"name": "dense1"}]


def cases() -> dict[str, Model]:
    whole, held = model_of(NETWORK), model_of(NETWORK, True)
    huge = dataclasses.replace(whole.graphs[0].inputs[0], shape=(1, 2**31 - 1, 3))
    long = dataclasses.replace(whole.graphs[0], inputs=(huge,), operators=whole.graphs[0].operators)
    return {
        "another cell": stated(whole, layers=layer(cell="mgu")),
        "tensor 'mgu1/weight_ih_f'": stated(whole, layers=layer(cell="mgu")),
        "cell 'nothing' is unknown": stated(whole, layers=layer(cell="nothing")),
        "clip": stated(whole, layers=layer(cell_clip=1.0)),
        "streaming is 'no'": stated(whole, streaming="no"),
        "streaming is True of 7 steps": stated(whole, streaming=True),
        "graph 'main'": stated(whole, last_step=False),
        "version": stated(whole, version=2),
        "precision": stated(whole, precision="int4"),
        "do not describe": stated(whole, layers=[1]),
        "are not JSON": dataclasses.replace(whole, metadata={KEY: b"[" * 10**5 + b"]" * 10**5}),
        "not of version": dataclasses.replace(whole, metadata={KEY: b"3"}),
        "body_graph is 0; 2 is needed": edited(whole, 0, options(body_graph=0), "WHILE"),
        "condition_graph is 77": edited(whole, 0, options(condition_graph=77), "WHILE"),
        "tensor 'gru1/weight_hh_z'": edited(whole, 2, other_inputs(renamed), "FULLY_CONNECTED"),
        "holds other values": edited(whole, 1, other_inputs(moved), "LESS"),
        "its signatures are serving_default; serving_default, reset": dataclasses.replace(
            held, signatures=held.signatures[:1]
        ),
        "signature 'reset' is of graph 1": dataclasses.replace(
            held,
            signatures=(
                held.signatures[0],
                dataclasses.replace(held.signatures[1], graph=1, outputs={}),
            ),
        ),
        "'gru1/weight_ih_r', which its metadata need": dataclasses.replace(
            whole, graphs=whole.graphs[:2]
        ),
        "it has 4 graphs; 3 are needed": dataclasses.replace(
            whole, graphs=(*whole.graphs, whole.graphs[1])
        ),
        "2,147,483,647 steps": dataclasses.replace(
            whole, graphs=(long, *whole.graphs[1:]), signatures=()
        ),
    }


@pytest.mark.parametrize("told", cases())
def test_a_file_that_contradicts_itself_is_refused(told: str, tmp_path: pathlib.Path) -> None:
    model, path = cases()[told], tmp_path / "net.tflite"
    path.write_bytes(pack(model))
    start = time.perf_counter()
    for ask in (read, facts, verify):
        with pytest.raises(ModelError) as caught:
            ask(path)
        said = str(caught.value)
        assert said.startswith("net.tflite: ") and "\n" not in said
        if told != "another cell" and told not in ("clip", "precision"):
            assert told in said
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_constants_of_other_types_or_sizes_are_refused(
    precision: str, tmp_path: pathlib.Path
) -> None:
    model, path = model_of(at(NETWORK, precision)), tmp_path / "net.tflite"

    def cut(tensor: Tensor) -> Tensor:
        assert tensor.data is not None
        return dataclasses.replace(tensor, data=tensor.data[:-1], shape=tensor.data[:-1].shape)

    def doubled(tensor: Tensor) -> Tensor:
        is_weight = "weight" in tensor.name  # and not the bias beside it
        return dataclasses.replace(tensor, scale=2 * (tensor.scale or 0)) if is_weight else tensor

    changes = [cut] if precision == "float32" else [cut, doubled]
    for change in changes:
        path.write_bytes(pack(edited(model, 2, other_inputs(change), "FULLY_CONNECTED")))
        with pytest.raises(ModelError, match=r"^net\.tflite: "):
            read(path)


def test_damaged_files_are_read_or_refused(tmp_path: pathlib.Path) -> None:
    content = write(at(NETWORK, "int8"), tmp_path / "good.tflite", steps=7).read_bytes()
    path, rng, refused = tmp_path / "net.tflite", np.random.default_rng(0), 0
    for _ in range(300):
        copy = bytearray(content)
        for place in rng.integers(0, len(content), rng.integers(1, 4)):
            copy[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(copy))
        try:
            read(path)
        except ModelError as error:
            assert str(error).startswith("net.tflite: ") and "\n" not in str(error)
            refused += 1
    assert refused > 50


def test_a_file_that_another_program_packed_again_is_read(tmp_path: pathlib.Path) -> None:
    flatbuffers = pytest.importorskip("flatbuffers")
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    network = at(NETWORK, "int8")
    content = write(network, tmp_path / "net.tflite", streaming=True).read_bytes()
    builder = flatbuffers.Builder(1024)
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path = tmp_path / "again.tflite"
    path.write_bytes(bytes(builder.Output()))
    assert pack(loop.composed_model(read(path), 1, True)) == content


def test_graphs_of_others_with_loops_are_named(tmp_path: pathlib.Path) -> None:
    model, path = model_of(NETWORK), tmp_path / "net.tflite"
    path.write_bytes(pack(dataclasses.replace(model, metadata={})))
    with pytest.raises(ModelError, match="WHILE.*its sequence has shape.*net.keras"):
        read(path)
    assert isinstance(model.graphs[0], Graph)
