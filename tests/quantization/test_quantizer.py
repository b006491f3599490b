"""Integers follow float: scales, ranges, odd gates, and calibration in its four forms."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from edgelstm.errors import ModelError
from edgelstm.execution.session import run
from edgelstm.layers.directions import parts
from edgelstm.layers.recurrent import Direction, Recurrent
from edgelstm.model.forward import forward
from edgelstm.model.network import Network
from edgelstm.quantization.quantized_dense import QuantizedDense
from edgelstm.quantization.quantized_direction import QuantizedDirection
from edgelstm.quantization.quantizer import quantize
from edgelstm.verification.fidelity import snr_db
from tests.networks import random_input, random_network


def lstm_of(network: Any) -> Any:
    return network.layers[0].forward


def with_gate(network: Network, gate: str, weight: float, bias: float) -> Network:
    """The network with one gate's weights times `weight` and its bias set to `bias`."""
    layer = lstm_of(network)
    rows = slice(
        "ifgo".index(gate) * layer.hidden_size, ("ifgo".index(gate) + 1) * layer.hidden_size
    )
    arrays = {k: getattr(layer, k).copy() for k in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    arrays["weight_ih"][rows] *= np.float32(weight)
    arrays["weight_hh"][rows] *= np.float32(weight)
    arrays["bias_ih"][rows], arrays["bias_hh"][rows] = bias, 0
    return Network((Recurrent((Direction(layer.name, "lstm", **arrays),)),))


# What int8 reaches on random networks is 36 to 42 dB; 28 leaves room for the odd gates below.
@pytest.mark.parametrize("gate", "ifgo")
@pytest.mark.parametrize(
    ("weight", "bias"), [(0, 2.0), (0, 0.0), (1e-6, 2.0), (1e-3, -3.0), (1, 7.0)]
)
def test_integers_follow_float_when_a_gate_is_odd(gate: str, weight: float, bias: float) -> None:
    network = with_gate(random_network("lstm", (6, 16)), gate, weight, bias)
    x = random_input(network, 20, 40)
    expected = forward(network, x)
    if not np.abs(expected).max():
        assert not np.abs(run(quantize(network, x), x)).max()
        return
    snr = snr_db(expected, run(quantize(network, x), x))
    assert snr is None or snr > 28


def test_integers_follow_float_on_a_constant_input() -> None:
    network = random_network("lstm", (3, 8))
    x = np.full((4, 30, 3), 0.7, np.float32)
    snr = snr_db(forward(network, x), run(quantize(network, x), x))
    assert snr is None or snr > 28


def test_scales_are_short_and_chain_from_layer_to_layer() -> None:
    network = random_network("lstm", (5, 12, 7), outputs=3, activation="relu")
    quantized = quantize(network, random_input(network, 10, 20))
    first, second, head = parts(quantized.layers)
    assert isinstance(first, QuantizedDirection) and isinstance(second, QuantizedDirection)
    assert isinstance(head, QuantizedDense)
    assert second.scales["x"] == first.scales["h"] and head.input == second.scales["h"]
    chosen = [s.scale for layer in (first, second) for s in layer.scales.values()]
    chosen += [*first.weight_scales.values(), *second.weight_scales.values(), head.weight_scale]
    for scale in chosen:
        assert float(np.float32(scale)) == scale
        assert (np.frexp(scale)[0] * 4096).is_integer()
    assert head.linear is not None and head.linear.zero_point == -128
    assert -15 <= first.scales["c"].log2 <= -9


def test_weights_stay_within_127() -> None:
    network = random_network("lstm", (5, 12), gain=50)
    layer = lstm_of(quantize(network, random_input(network, 4, 9)))
    assert layer.weight_ih.min() >= -127 and np.abs(layer.weight_hh).max() == 127


def test_saturation_counts_what_left_the_range() -> None:
    network = random_network("lstm", (5, 12), gain=60)
    x = random_input(network, 4, 9)
    layer = lstm_of(quantize(network, x))
    values = np.concatenate([np.zeros((4, 1, 12)), forward(network, x)[:, :-1]], 1)
    u_f = values @ lstm_of(network).weight_hh[12:24].T
    assert layer.saturation["f"].values == 4 * 9 * 12
    assert layer.saturation["f"].recurrent_cut == np.count_nonzero(np.abs(u_f) > 8) > 0


def test_final_softmax_is_left_off_and_said() -> None:
    network = random_network("lstm", (5, 12), outputs=3, activation="softmax", last_step=True)
    x = random_input(network, 50, 20)
    quantized = quantize(network, x)
    assert quantized.dropped_softmax
    agree = run(quantized, x).argmax(1) == forward(network, x).argmax(1)
    assert agree.mean() > 0.9


def test_hybrid_keeps_one_scale_per_gate_matrix() -> None:
    network = random_network("lstm", (5, 12))
    layer = lstm_of(quantize(network, None, "hybrid"))
    for k, gate in enumerate("ifgo"):
        block = lstm_of(network).weight_hh[12 * k : 12 * k + 12]
        assert layer.weight_scales[f"hh {gate}"] == float(np.float32(np.abs(block).max() / 127))
    assert layer.bias_hh.max() == 0 and layer.bias_ih.dtype == np.float32


class Reader:
    def __init__(self, arrays: list[Any]) -> None:
        self._arrays = iter(arrays)

    def get_next(self) -> dict[str, Any] | None:
        array = next(self._arrays, None)
        return None if array is None else {"x": array}


def test_four_forms_of_calibration_give_the_same_network() -> None:
    network = random_network("lstm", (5, 12))
    x = random_input(network, 6, 9)

    def dataset() -> Iterator[list[Any]]:
        for sequence in x:
            yield [sequence[None]]

    forms: list[Any] = [x, list(x), dataset, Reader(list(x))]
    layers = [lstm_of(quantize(network, form)) for form in forms]
    for layer in layers[1:]:
        assert layer.scales == layers[0].scales
        assert np.array_equal(layer.weight_hh, layers[0].weight_hh)


def test_sequences_of_different_lengths_calibrate_together() -> None:
    network = random_network("lstm", (5, 12))
    x = random_input(network, 3, 20)
    quantized = quantize(network, [x[0], x[1, :7], x[2, :1]])
    assert quantized.steps == 20


BAD_CALIBRATION = [
    (np.zeros((3, 9, 4), np.float32), "shape (3, 9, 4); (steps, 5) or (batch, steps, 5) is needed"),
    (np.zeros((0, 5), np.float32), "calibration holds no values"),
    ([], "calibration holds no values"),
    (np.full((9, 5), np.nan, np.float32), "not finite"),
    (np.zeros((9, 5), np.float32), "calibration is zero everywhere"),
    (np.array([["a"] * 5]), "numbers are needed"),
    (7, "calibration is a int; an array"),
    (lambda: None, "must yield [array]"),
    (lambda: [[np.zeros((2, 5)), np.zeros((2, 5))]], "gave 2 arrays at once"),
    (None, "needs calibration"),
]


@pytest.mark.parametrize(("calibration", "expected"), BAD_CALIBRATION)
def test_calibration_that_cannot_be_used_is_refused(calibration: Any, expected: str) -> None:
    with pytest.raises(ModelError, match=re.escape(expected)):
        quantize(random_network("lstm", (5, 12)), calibration)


def test_a_fused_gru_is_refused_with_what_works() -> None:
    network = random_network("gru", (5, 12))
    with pytest.raises(ModelError, match="what works for it: float32, composed int8"):
        quantize(network, random_input(network, 2, 9), form="fused")


def test_float32_is_not_a_quantized_precision() -> None:
    with pytest.raises(ModelError, match="is not quantized"):
        quantize(random_network(), None, "float32")


def test_a_clip_below_one_step_is_refused() -> None:
    network = random_network("lstm", (5, 12), cell_clip=1e-9)
    with pytest.raises(ModelError, match="below one step"):
        quantize(network, random_input(network, 2, 9))


def test_weights_no_int32_sum_can_hold_are_refused() -> None:
    network = random_network("lstm", (5, 12), gain=1e8)
    with pytest.raises(ModelError, match="more than int32 holds"):
        quantize(network, random_input(network, 2, 9))
