"""Activations by themselves in integers: what has them, at which scales, kernels, files, counts.

Runtimes are compared in tests/runtimes/test_around.py.
"""

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgelstm.cost.count_ops import count
from edgelstm.errors import ModelError
from edgelstm.execution.session import Session, run
from edgelstm.formats import read, write
from edgelstm.formats.description import describe
from edgelstm.layers.activation import Activation
from edgelstm.layers.dense import Dense
from edgelstm.layers.read_steps import ReadSteps
from edgelstm.model.network import Network
from edgelstm.quantization.lower import lower
from edgelstm.quantization.operations import Clip, Narrow
from edgelstm.quantization.quantize_activation import is_clear_of_ties, narrowing
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.quantizer import quantize
from edgelstm.quantization.scales import Scale
from tests.networks import random_input, random_recurrent, uniform

STEPS = 6
NUMBERS: dict[str, tuple[float, ...]] = {
    "relu": (),
    "clamp": (-0.25, 0.375),
    "leaky_relu": (0.2,),
    "elu": (1.0,),
    "tanh": (),
    "sigmoid": (),
    "hard_sigmoid": (0.2, 0.5),
}
FORMS = (("int8", "fused"), ("int8", "composed"), ("int16x8", "composed"))
# Where integers have them: directly behind a recurrent layer, and behind a dense one at the end.
HAVE = {
    ("h", "elu"): (("int8", "fused"),),
    ("h", "hard_sigmoid"): (),
    ("d", "elu"): FORMS[:2],
    ("h", "leaky_relu"): FORMS[1:],
    ("d", "leaky_relu"): FORMS[1:],
}
CASES = [
    (where, function, *form)
    for where in "hd"
    for function in NUMBERS
    for form in HAVE.get((where, function), FORMS)
]


def network_of(
    where: str, function: str, numbers: tuple[float, ...] | None = None, cell: str = "lstm"
) -> Network:
    """An LSTM, one layer of each kind, the activation on each step or behind the dense layer."""
    rng = np.random.default_rng(3)
    size = 6 if where == "h" else 4
    layer = Activation("a", size, function, NUMBERS[function] if numbers is None else numbers)
    dense = Dense("dense1", uniform(rng, (4, 6), 1.0), uniform(rng, (4,), 0.5))
    first = random_recurrent(cell, 3, 6, rng, name="first")
    return Network((first, layer, dense) if where == "h" else (first, dense, layer))


def layers_of(network: Network | QuantizedNetwork) -> list[Any]:
    return list(network.layers)


def integers(network: Network, *form: str) -> QuantizedNetwork:
    return quantize(network, random_input(network, 8, STEPS), *form)


@pytest.mark.parametrize(("where", "function", "precision", "form"), CASES)
def test_kernels_and_steps_are_the_reference_and_near_the_real_function(
    where: str, function: str, precision: str, form: str
) -> None:
    network = network_of(where, function)
    q, x = integers(network, precision, form), random_input(network, 8, STEPS)
    expected = run(q, x, engine="reference")
    np.testing.assert_array_equal(run(q, x), expected)
    session = Session(q)
    np.testing.assert_array_equal([session.step(x_t) for x_t in x[0]], expected[0])
    # Of four steps at int8, whose weights are rounded too; of 16 bits these alone.
    assert np.abs(expected - run(network, x)).max() < (0.04 if precision == "int8" else 0.01)


@pytest.mark.parametrize("suffix", [".npz", ".onnx", ".tflite"])
@pytest.mark.parametrize(("where", "function", "precision", "form"), CASES)
def test_files_hold_the_same_layers(  # noqa: PLR0913
    where: str, function: str, precision: str, form: str, suffix: str, tmp_path: Path
) -> None:
    q = integers(network_of(where, function), precision, form)
    again = read(write(q, tmp_path / f"net{suffix}", steps=STEPS))
    assert isinstance(again, QuantizedNetwork)
    told = [
        [{k: v for k, v in layer.items() if k not in ("name", "saturation")} for layer in layers]
        for layers in (describe(again)["layers"], describe(q)["layers"])
    ]
    assert told[0] == told[1]
    x = random_input(q, 2, STEPS)
    np.testing.assert_array_equal(run(again, x), run(q, x))


@pytest.mark.parametrize(("where", "function", "precision", "form"), CASES)
def test_counts_are_those_of_the_network_in_reals(
    where: str, function: str, precision: str, form: str
) -> None:
    network = network_of(where, function, cell="gru" if form == "composed" else "lstm")
    q = integers(network, precision, form)
    assert count(network, STEPS, precision) == count(q, STEPS)
    if form == "composed":
        narrow = [any(isinstance(op, Narrow) for op in lower(p).ops) for p in layers_of(q)[1:]]
        named = [narrowing(q.layers) is layer for layer in q.layers[1:]]
        assert narrow == [is_named and precision == "int8" for is_named in named]


REFUSED: dict[str, tuple[tuple[Any, ...], tuple[str, ...]]] = {
    "layer 'a': a leaky_relu has no fused int8 form: operation 'leaky_relu' has none; what works "
    "for it: float32, composed int8, composed int16x8, hybrid": (
        ("h", "leaky_relu"),
        ("int8", "fused"),
    ),
    "layer 'a': an elu has no composed int16x8 form: operation 'elu'": (("d", "elu"), ("int16x8",)),
    "layer 'a': no elu of int16 values is the same in all": (("h", "elu"), ("int8", "composed")),
    "layer 'a': elu of 0.5; integers have that of 1": (("d", "elu", (0.5,)), ("int8",)),
    "layer 'a': leaky_relu of slope 1.5; of integers at most 1": (
        ("d", "leaky_relu", (1.5,)),
        ("int8",),
    ),
    "layer 'a': hard_sigmoid of integers is a part of a dense layer directly in front": (
        ("h", "hard_sigmoid"),
        ("int8",),
    ),
    "layer 'a': no tanh of free int16 scales is the same in all": (
        ("h", "tanh"),
        ("int16x8", "fused"),
    ),
    "layer 'a': softmax of integers is left off at the end": (("h", "softmax", ()), ("int8",)),
    "layer 'a': a log_softmax has no fused int8 form": (("h", "log_softmax", ()), ("int8",)),
}


@pytest.mark.parametrize("told", REFUSED)
def test_what_has_no_integers_is_refused_by_name(told: str) -> None:
    asked, form = REFUSED[told]
    with pytest.raises(ModelError) as refused:
        integers(network_of(*asked), *form)
    assert str(refused.value).startswith(told)


def test_a_leaky_relu_takes_the_composed_form_by_itself() -> None:
    assert integers(network_of("d", "leaky_relu")).form == "composed"
    assert integers(network_of("d", "clamp")).form == "fused"


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_clip_is_one_of_integers_at_the_scale_of_what_it_cuts(cell: str) -> None:
    _, layer, _ = layers_of(integers(network_of("h", "clamp", cell=cell)))
    (op,) = lower(layer).ops
    into = layer.input
    assert isinstance(into, Scale) and layer.output == into
    limits = [min(round(v / into.scale) + into.zero_point, 127) for v in NUMBERS["clamp"]]
    assert isinstance(op, Clip) and list(op.limits) == limits


def test_what_a_clip_cuts_off_costs_no_range() -> None:
    """The dense layer in front of a relu6 has steps of 6 / 255, however far its sums go."""
    first, dense, layer = layers_of(network_of("d", "clamp", (0.0, 6.0)))
    wide = dataclasses.replace(dense, weight=50 * dense.weight)
    *_, cut, _ = layers_of(integers(Network((first, wide, layer))))
    assert cut.linear.scale == pytest.approx(6 / 255, rel=2e-3)


def test_relu_behind_a_dense_layer_becomes_its_own() -> None:
    *_, dense = layers_of(integers(network_of("d", "relu")))
    assert dense.activation == "relu"


def test_hard_sigmoid_is_folded_into_weights_and_bias() -> None:
    network = network_of("d", "hard_sigmoid", (1 / 6, 0.5))
    *_, dense, clip = layers_of(integers(network))
    given: Any = network.layers[1]
    ends = clip.input.reals(np.array([-128, 127]))
    got = np.clip(clip.given, *ends)
    np.testing.assert_allclose(got, np.clip((0.0, 1.0), *ends), atol=clip.input.scale / 2)
    reals = dense.weight * dense.weight_scale
    np.testing.assert_allclose(reals, given.weight / 6, atol=0.51 * dense.weight_scale)
    step = dense.weight_scale * dense.input.scale
    np.testing.assert_allclose(dense.bias * step, given.bias / 6 + 0.5, atol=0.51 * step)


def test_an_elu_keeps_away_from_ties() -> None:
    into = Scale(0.02, 0, "int8")
    assert not is_clear_of_ties(into, Scale(0.04, -64, "int8"))  # each odd positive value is a tie
    for seed in range(20):
        largest = np.random.default_rng(seed).uniform(0.5, 9)
        network = network_of("d", "elu")
        first, dense, layer = layers_of(network)
        scaled = dataclasses.replace(dense, weight=largest * dense.weight)
        *_, made = layers_of(integers(Network((first, scaled, layer))))
        assert is_clear_of_ties(made.input, made.activated)


def test_a_file_with_other_numbers_is_refused(tmp_path: Path) -> None:
    q = integers(network_of("h", "clamp"))
    first, layer, dense = layers_of(q)
    for wrong, told in (
        ({"given": (-0.2501, 0.375)}, "are no whole steps of its integers"),
        ({"activated": Scale(0.5, 0, "int8")}, "its result has another scale"),
        ({"narrowed": Scale(0.5, 0, "int8")}, "its result is stored narrower"),
        ({"function": "leaky_relu", "given": (0.2,)}, "a leaky_relu has no fused int8 form"),
    ):
        other: Any = dataclasses.replace(layer, **wrong)
        with pytest.raises(ModelError, match=told):
            write(dataclasses.replace(q, layers=(first, other, dense)), tmp_path / "net.npz")


def test_clips_in_a_row_are_read_as_one(tmp_path: Path) -> None:
    first, layer, dense = layers_of(network_of("h", "clamp", (-0.2, 0.1)))
    layers = (first, layer, Activation("b", 6, "clamp", (0.0, math.inf)), ReadSteps(6), dense)
    q = integers(Network(layers))
    again = read(write(q, tmp_path / "net.tflite", steps=STEPS))
    _, clip, *_ = (part for layer in layers_of(again) for part in layer.parts)
    low, high = clip.given
    assert low == 0.0 and high == pytest.approx(0.1, abs=clip.input.scale / 2)
    x = random_input(q, 3, STEPS)
    np.testing.assert_array_equal(run(again, x), run(q, x))
