"""Composed integers of every cell as .onnx files: in ONNX Runtime those of the reference."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from edgelstm.cells import CELLS
from edgelstm.errors import ModelError
from edgelstm.formats import read, write
from edgelstm.formats.description import describe, named_arrays
from edgelstm.formats.onnx.graph import Graph, value_info
from edgelstm.formats.onnx.rounding import rescaled
from edgelstm.layers.directions import REVERSE
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.network import Network
from edgelstm.quantization import fixedpoint as fx
from edgelstm.quantization.operations import Rescale
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.quantizer import quantize
from edgelstm.quantization.reference import run_integers
from edgelstm.verification.verifier import verify
from tests.formats.onnx.test_every_cell import KINDS, one_layer
from tests.networks import random_input, random_network
from tests.onnx_files import Array, model, run, session, stream

every_kind = pytest.mark.parametrize("kind", KINDS)
both_precisions = pytest.mark.parametrize("precision", ["int8", "int16x8"])


def composed(network: Network, precision: str, form: str | None = "composed") -> QuantizedNetwork:
    return quantize(network, random_input(network, 12, 15, seed=5), precision, form)


def integers(network: QuantizedNetwork, n: int, steps: int) -> Array:
    """Real input, in the first sequences the ends of its range."""
    scale = network.input
    assert scale is not None
    x = fx.quantize_reals(random_input(network, n, steps), scale.scale, 0, scale.limits)
    x[0], x[-1] = scale.limits
    return x.astype(scale.type)


@every_kind
@both_precisions
@pytest.mark.parametrize(("sizes", "gain"), [((1, 1), 1), ((5, 3), 6), ((13, 33), 1)])
def test_files_equal_the_reference_at_any_batch_and_steps(
    kind: str, precision: str, sizes: tuple[int, int], gain: float
) -> None:
    network = composed(one_layer(kind, sizes, gain=gain), precision)
    opened = session(model(network))
    for n, steps in ((1, 1), (12, 25)):
        x = integers(network, n, steps)
        [got] = opened.run(["y"], {"x": x})
        assert got.dtype == x.dtype
        np.testing.assert_array_equal(got, run_integers(network, x))


@pytest.mark.parametrize("cell_name", CELLS)
@both_precisions
@pytest.mark.parametrize(
    ("activation", "last_step"),
    [(None, True), ("relu", False), ("sigmoid", True), ("tanh", False), ("tanh", True)],
)
def test_layers_and_heads_stream_as_the_whole_sequence(
    cell_name: str, precision: str, activation: str | None, last_step: bool
) -> None:
    floats = random_network(
        cell_name, (5, 9, 4), outputs=3, activation=activation, last_step=last_step
    )
    network = composed(floats, precision)
    x = integers(network, 3, 8)
    np.testing.assert_array_equal(run(network, x), run_integers(network, x))
    whole = [run_integers(network, x[:, : t + 1]) for t in range(8)]
    expected = np.stack([y if last_step else y[:, -1] for y in whole], 1)
    np.testing.assert_array_equal(stream(network, x), expected)


@every_kind
@both_precisions
def test_both_directions_equal_the_reference_and_read_back(
    kind: str, precision: str, tmp_path: Path
) -> None:
    network = composed(one_layer(kind, (5, 6), both=True), precision)
    x = integers(network, 3, 10)
    np.testing.assert_array_equal(run(network, x), run_integers(network, x))
    assert_same(read(write(network, tmp_path / "net.onnx")), network)


@pytest.mark.parametrize("sizes", [(1, 1), (5, 16), (7, 12, 5)])
@pytest.mark.parametrize("gain", [1, 6])
def test_the_fused_form_of_16_bits_is_a_loop_too(sizes: tuple[int, ...], gain: float) -> None:
    floats = random_network("lstm", sizes, outputs=2, gain=gain, cell_clip=0.8)
    network = composed(floats, "int16x8", "fused")
    x = integers(network, 9, 30)
    np.testing.assert_array_equal(run(network, x), run_integers(network, x))


@pytest.mark.parametrize("cell_name", ["gru", "lstm_peephole"])
@both_precisions
def test_onnx_s_own_evaluator_computes_the_same(cell_name: str, precision: str) -> None:
    network = composed(random_network(cell_name, (3, 4), outputs=2, activation="tanh"), precision)
    x = integers(network, 2, 5)
    [got] = ReferenceEvaluator(model(network)).run(["y"], {"x": x})
    np.testing.assert_array_equal(got, run_integers(network, x))


@pytest.mark.parametrize("rounding", ["requantize", "requantize64"])
@pytest.mark.parametrize("ratio", [0.9 * 2.0**-20, 2.0**-15, 0.0123, 0.75, 1.0, 3.3, 0.0, 1e-9])
def test_roundings_are_those_of_fixedpoint(rounding: str, ratio: float) -> None:
    most = 2**46 if rounding == "requantize64" else 2**28
    rng = np.random.default_rng(0)
    ties = (2 * np.arange(-40, 40) + 1) << 14
    x = np.concatenate([rng.integers(-most, most, 500), ties, [0, -1, 1, most, -most]])
    by = Rescale(rounding, ratio, 0, None)
    graph = Graph()
    y = rescaled(graph, "s", "x", by.numbers, by)
    ends = [[value_info(name, "int64", ["n"])] for name in ("x", y)]
    made = onnx.helper.make_model(
        graph.proto("g", *ends, constants=True),
        opset_imports=[onnx.helper.make_opsetid("", 18)],
        ir_version=9,
    )
    [got] = session(made).run([y], {"x": x})
    function = {"requantize": fx.requantize, "requantize64": fx.requantize64}[rounding]
    np.testing.assert_array_equal(got, function(x, *by.numbers))


# ---- read back


def assert_same(got: Any, network: QuantizedNetwork) -> None:
    assert describe(got) == describe(network)
    for name, expected in named_arrays(network).items():
        np.testing.assert_array_equal(named_arrays(got)[name], expected, strict=True)


@every_kind
@both_precisions
@pytest.mark.parametrize("streaming", [False, True])
def test_files_read_back_whole(kind: str, precision: str, streaming: bool, tmp_path: Path) -> None:
    network = composed(one_layer(kind, (3, 4)), precision)
    assert_same(read(write(network, tmp_path / "net.onnx", streaming=streaming)), network)


@both_precisions
@pytest.mark.parametrize("streaming", [False, True])
def test_verify_finds_no_difference(precision: str, streaming: bool, tmp_path: Path) -> None:
    network = composed(random_network("mgu", (4, 8), outputs=3, last_step=True), precision)
    path = write(network, tmp_path / "net.onnx", streaming=streaming)
    [found] = verify(path, n_sequences=20, steps=9).verified
    assert (found.status, found.mismatches) == ("ok", 0) and found.values > 50


Edit = Any


def without(name: str) -> Edit:
    def edit(parsed: onnx.ModelProto) -> None:
        [tensor] = [t for t in parsed.graph.initializer if t.name == name]
        parsed.graph.initializer.remove(tensor)

    return edit


def described(**fields: Any) -> Edit:
    def edit(parsed: onnx.ModelProto) -> None:
        [entry] = [e for e in parsed.metadata_props if e.key == "edgelstm"]
        entry.value = json.dumps({**json.loads(entry.value), **fields})

    return edit


def of_layer(**fields: Any) -> Edit:
    def edit(parsed: onnx.ModelProto) -> None:
        [entry] = [e for e in parsed.metadata_props if e.key == "edgelstm"]
        told = json.loads(entry.value)
        described(layers=[{**told["layers"][0], **fields}])(parsed)

    return edit


@pytest.mark.parametrize(
    "damage",
    [
        without("layer/v3_peephole"),
        without("layer/W_ifgo"),
        without("layer/Wb_ifgo"),
        without("layer/projection"),
        described(form="fused"),
        described(form="strange"),
        described(form=["composed"]),
        described(form=None, precision="int16x8"),
        described(precision="hybrid"),
        described(precision="float32"),
        of_layer(cell="lstm"),
        of_layer(cell="lstm_coupled_peephole"),
        of_layer(scales={}),
        of_layer(weight_scales={"ih i": 1.0}),
        of_layer(nonlinearity="relu"),
        of_layer(cell_clip=1e-9),
        of_layer(name=f"layer{REVERSE}", reverse=True),
    ],
)
def test_damaged_files_are_one_model_error(damage: Edit, tmp_path: Path) -> None:
    layer: Any = one_layer("lstm_peephole", (3, 4)).layers[0].parts[0]
    weight_hr = np.ones((4, 4), np.float32) / 8
    wide = dataclasses.replace(layer, name="layer", weight_hr=weight_hr)
    parsed = model(composed(Network((Recurrent((wide,)),)), "int8", None))
    damage(parsed)
    path = tmp_path / "net.onnx"
    path.write_bytes(parsed.SerializeToString())
    with pytest.raises(ModelError, match="^net.onnx: ") as caught:
        read(path)
    assert "\n" not in str(caught.value)
