"""Files with bidirectional layers: equal in every runtime, and read again."""

import dataclasses
import functools
import io
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgelstm.errors import ModelError
from edgelstm.execution import session
from edgelstm.formats import AnyNetwork, encode, facts, read, write
from edgelstm.formats.description import describe, named_arrays
from edgelstm.formats.tflite.chain import BOTH_DIRECTIONS
from edgelstm.formats.tflite.model import Operator, one_graph
from edgelstm.formats.tflite.pack import pack
from edgelstm.formats.tflite.unpack import default_options, unpack
from edgelstm.layers.directions import is_bidirectional
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.quantizer import quantize
from edgelstm.verification.verifier import verify
from tests.networks import bidirectional_network, random_input
from tests.present import expected_status
from tests.tflite_files import chain, constant, edited, graph_of, read_bytes, refusal

TOLERANCE = 1e-5  # float32 sums in another order
run = functools.partial(session.run, engine="reference")  # compiles nothing

NETWORKS: dict[str, dict[str, Any]] = {
    "one unit": {"sizes": (1, 1)},
    "one layer": {"sizes": (5, 16)},
    "two layers": {"sizes": (5, 7, 6), "last_step": True},
    "head": {"sizes": (5, 8), "outputs": 3, "activation": "sigmoid"},
    "head of the last step": {"sizes": (4, 33), "outputs": 3, "last_step": True},
}


def network_of(name: str, precision: str) -> Network | QuantizedNetwork:
    network = bidirectional_network("lstm", **NETWORKS[name])
    if precision == "float32":
        return network
    return quantize(network, random_input(network, 8, 20), precision)


@pytest.mark.parametrize("suffix", [".tflite", ".onnx"])
@pytest.mark.parametrize("precision", ["float32", "int8", "hybrid"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_written_file_is_equal_in_every_runtime(
    name: str, precision: str, suffix: str, tmp_path: Path
) -> None:
    network = network_of(name, precision)
    path = write(network, tmp_path / f"net{suffix}", steps=9)
    found = verify(path, network, n_sequences=16, steps=9).verified
    assert "ok" in [v.status for v in found]
    for one in found:
        assert one.status == expected_status(one.runtime), (one.runtime, one.reason)
        assert one.mismatches in (0, None)


@pytest.mark.parametrize("suffix", [".tflite", ".onnx"])
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_sequence_of_one_step_is_no_stream(precision: str, suffix: str, tmp_path: Path) -> None:
    path = write(network_of("one layer", precision), tmp_path / f"net{suffix}", steps=1)
    assert not facts(path).streaming
    assert verify(path, n_sequences=8, steps=1).passed


@pytest.mark.parametrize("suffix", [".npz", ".tflite", ".onnx"])
@pytest.mark.parametrize("precision", ["float32", "int8", "hybrid"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_written_file_gives_its_network_back(
    name: str, precision: str, suffix: str, tmp_path: Path
) -> None:
    expected = network_of(name, precision)
    got = read(write(expected, tmp_path / f"net{suffix}", steps=9))
    assert [x.name for x in got.layers] == [x.name for x in expected.layers]
    assert got.last_step == expected.last_step
    if suffix == ".npz" or (suffix == ".onnx" and precision != "float32"):
        assert describe(got) == describe(expected)
        assert all(
            np.array_equal(a, named_arrays(got)[k]) for k, a in named_arrays(expected).items()
        )
    x = random_input(expected, 2, 9)
    # a .tflite file holds the sum of both biases
    exact = precision == "int8" or suffix == ".npz"
    assert np.abs(run(got, x) - run(expected, x)).max() <= (0 if exact else TOLERANCE)


def test_a_gru_is_written_as_onnx_and_as_tflite(tmp_path: Path) -> None:
    for cell_name in ("gru", "gru_reset_before"):
        network = bidirectional_network(cell_name, (5, 6, 3), outputs=2, last_step=True)
        path = write(network, tmp_path / "net.onnx")
        assert verify(path, network, n_sequences=8, steps=6).passed
        again = read(path)
        x = random_input(network, 2, 6)
        assert np.array_equal(run(again, x), run(network, x))
        path = write(network, tmp_path / "net.tflite", steps=6)
        assert verify(path, network, n_sequences=8).passed


def test_an_empty_sequence_passes_through_a_written_onnx() -> None:
    import onnxruntime

    content = encode(network_of("one layer", "float32"), ".onnx")[""]
    session = onnxruntime.InferenceSession(content)
    (got,) = session.run(["y"], {"x": np.zeros((2, 0, 5), np.float32)})
    assert got.shape == (2, 0, 32)


@pytest.mark.parametrize("suffix", [".tflite", ".onnx"])
def test_a_streaming_file_is_refused(suffix: str) -> None:
    with pytest.raises(ModelError, match="layer 'lstm1' is bidirectional.*files without streaming"):
        encode(bidirectional_network(), suffix, streaming=True)


def test_the_clip_of_a_cell_is_written(tmp_path: Path) -> None:
    network = bidirectional_network("lstm", (5, 8), gain=4, cell_clip=0.5)
    qnetwork = quantize(network, random_input(network, 4, 20))
    both: tuple[AnyNetwork, ...] = (network, qnetwork)
    for one, suffix in itertools.product(both, (".tflite", ".onnx")):
        assert verify(write(one, tmp_path / f"net{suffix}", steps=5), one, n_sequences=8).passed


# ---- .npz and .tflite that are not in order


def test_a_description_that_is_not_of_two_directions_is_refused(tmp_path: Path) -> None:
    content = encode(network_of("head", "int8"), ".npz")[""]
    with np.load(io.BytesIO(content)) as held:
        arrays = dict(held)
    described = json.loads(arrays.pop("edgelstm").tobytes())
    there, back, head = described["layers"]
    for layers in ([back, head], [there, head, back], [there, back, back, head], [there, head]):
        text = json.dumps({**described, "layers": layers}).encode()
        np.savez(tmp_path / "net.npz", edgelstm=np.frombuffer(text, np.uint8), **arrays)
        with pytest.raises(ModelError):
            read(tmp_path / "net.npz")


def operators_of(precision: str) -> tuple[Operator, ...]:
    return graph_of(network_of("one layer", precision)).operators


def test_the_operators_of_others_may_come_in_another_order(tmp_path: Path) -> None:
    there, turned, back, turned_back, joined = operators_of("int8")
    expected = read_bytes(chain(there, turned, back, turned_back, joined), tmp_path)
    x = random_input(expected, 2, 7)
    for order in (
        (turned, back, there, turned_back, joined),
        (turned, back, turned_back, there, joined),
        (turned, there, back, turned_back, joined),
    ):
        got = read_bytes(chain(*order), tmp_path)
        assert isinstance(got, QuantizedNetwork)
        assert is_bidirectional(got.layers[0])
        assert np.array_equal(run(got, x), run(expected, x))


def test_operators_in_an_order_in_which_none_can_run_are_refused(tmp_path: Path) -> None:
    there, turned, back, turned_back, joined = operators_of("float32")
    for order in (
        (turned, turned_back, back, there, joined),
        (turned, back, turned_back, joined, there),
    ):
        (y,) = joined.outputs
        assert y is not None
        x = turned.inputs[0]
        assert x is not None
        content = pack(one_graph(x, y, order, ""))
        assert "behind an operator that reads its result" in refusal(content, tmp_path)


def test_five_operators_that_are_not_both_directions_are_refused(tmp_path: Path) -> None:
    there, turned, back, turned_back, joined = operators_of("float32")
    swapped = dataclasses.replace(joined, inputs=joined.inputs[::-1])
    names = "it is read as a part of a bidirectional layer"
    assert names in refusal(chain(there, turned, back, turned_back, swapped), tmp_path)
    one = dataclasses.replace(joined, inputs=joined.inputs[:1])
    assert names in refusal(chain(there, turned, back, turned_back, one), tmp_path)
    none = dataclasses.replace(turned, inputs=())
    assert names in refusal(chain(there, none, back, turned_back, joined), tmp_path)
    axis = dataclasses.replace(joined, options={"axis": 1})
    told = refusal(chain(there, turned, back, turned_back, axis), tmp_path)
    assert "CONCATENATION joins values that" in told
    (y,) = joined.outputs
    assert y is not None
    other = dataclasses.replace(joined, outputs=(dataclasses.replace(y, type="int8"),))
    told = refusal(chain(there, turned, back, turned_back, other), tmp_path)
    assert "it makes int8 of float32" in told
    relu = dataclasses.replace(joined, options={"axis": -1, "activation": 1})
    told = refusal(chain(there, turned, back, turned_back, relu), tmp_path)
    assert "CONCATENATION has an activation" in told


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_where_directions_end_may_be_read_in_front_of_the_joining(
    precision: str, tmp_path: Path
) -> None:
    there, turned, back, turned_back, joined = operators_of(precision)
    whole = read_bytes(chain(there, turned, back, turned_back, joined), tmp_path)
    x = random_input(whole, 2, 7)
    each = run(whole, x)

    def ended(op: Operator) -> Operator:
        (value,) = op.outputs
        assert value is not None
        ends = (constant([0, -1, 0]), constant([0, 0, 0]), constant([1, 1, 1]))
        masks = {"begin_mask": 5, "end_mask": 5, "shrink_axis_mask": 2}
        options = {**default_options("STRIDED_SLICE"), **masks}
        last = dataclasses.replace(value, name=f"last/{value.name}", shape=(1, value.shape[-1]))
        return Operator("STRIDED_SLICE", (value, *ends), (last,), options)

    half = each.shape[-1] // 2
    finals = np.concatenate([each[:, -1, :half], each[:, 0, half:]], 1)
    for before, expected in (((turned_back,), each[:, -1]), ((), finals)):
        first, second = ended(there), ended(turned_back if before else back)
        (y,) = joined.outputs
        assert y is not None
        last = Operator(
            "CONCATENATION",
            (*first.outputs, *second.outputs),
            (dataclasses.replace(y, shape=(1, 2 * half)),),
            {**joined.options, "axis": 1},
        )
        content = chain(there, turned, back, *before, first, second, last)
        got = run(read_bytes(content, tmp_path), x)
        assert np.array_equal(got, expected)


def test_an_activation_in_front_of_one_direction_alone_is_refused(tmp_path: Path) -> None:
    there, turned, back, turned_back, joined = operators_of("float32")
    (x, *_), (turned_x, axis) = there.inputs, turned.inputs
    assert x is not None and turned_x is x
    v, r = (dataclasses.replace(x, name=name) for name in "vr")
    options = {**default_options("FULLY_CONNECTED"), "keep_num_dims": True}
    product = Operator("FULLY_CONNECTED", (x, constant(np.eye(5), "float32")), (v,), options)
    relu = Operator("RELU", (v,), (r,))
    turned = dataclasses.replace(turned, inputs=(v, axis))
    for first in (r, v):
        one = edited(there, 0, first)
        between = (relu,) if first is r else ()
        content = chain(product, *between, one, turned, back, turned_back, joined)
        if first is r:
            assert "it is read as a part of a bidirectional layer" in refusal(content, tmp_path)
        else:
            assert len(read_bytes(content, tmp_path).layers) == 2


def test_turning_another_axis_round_is_refused(tmp_path: Path) -> None:
    there, turned, back, turned_back, joined = operators_of("float32")
    (x, axis), outputs = turned.inputs, turned.outputs
    assert axis is not None
    for wrong in ([2], [0], [1, 2], [4]):
        other = dataclasses.replace(axis, shape=(len(wrong),), data=np.array(wrong, np.int32))
        op = Operator("REVERSE_V2", (x, other), outputs, version=3)
        told = refusal(chain(there, op, back, turned_back, joined), tmp_path)
        assert "REVERSE_V2 reverses an axis that is not the steps" in told


def test_a_file_has_two_plain_lstms_and_no_bidirectional_operator() -> None:
    model = unpack(encode(network_of("one layer", "int8"), ".tflite", steps=4)[""])
    assert sorted(op.name for op in model.graphs[0].operators) == sorted(BOTH_DIRECTIONS)
