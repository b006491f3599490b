"""Both directions in integers and hybrid: kernels against the oracle, scales, counts, memory."""

import dataclasses

import numpy as np
import pytest

from edgelstm.errors import ModelError
from edgelstm.execution.session import Session, run
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.quantizer import quantize
from edgelstm.quantization.reference import run_integers
from edgelstm.verification.fidelity import measure_fidelity, saturation
from tests.networks import bidirectional_network, random_input

SIZES = [(hidden, n, steps) for hidden in (1, 3, 16, 33) for n, steps in ((1, 1), (1, 7), (3, 7))]


def quantized(
    sizes: tuple[int, ...], precision: str = "int8", **options: object
) -> tuple[Network, QuantizedNetwork]:
    network = bidirectional_network("lstm", sizes, **options)  # type: ignore[arg-type]
    return network, quantize(network, random_input(network, 8, 20), precision)


def raw(network: QuantizedNetwork, n: int, steps: int) -> np.ndarray:
    rng = np.random.default_rng(2)
    return rng.integers(-128, 128, (n, steps, network.input_size)).astype(np.int8)


@pytest.mark.parametrize(("hidden_size", "n", "steps"), SIZES)
def test_int8_kernels_give_the_bits_of_the_oracle(hidden_size: int, n: int, steps: int) -> None:
    _, qnetwork = quantized((5, hidden_size))
    x = raw(qnetwork, n, steps)
    got = run(qnetwork, x)
    assert got.dtype == np.int8 and got.shape == (n, steps, 2 * hidden_size)
    assert np.array_equal(got, run(qnetwork, x, engine="reference"))
    (layer,) = qnetwork.layers
    assert isinstance(layer, Recurrent)
    one = [QuantizedNetwork((Recurrent((d,)),)) for d in layer.directions]
    expected = [run_integers(one[0], x), run_integers(one[1], x[:, ::-1])[:, ::-1]]
    assert np.array_equal(got, np.concatenate(expected, 2))


@pytest.mark.parametrize("gain", [1.0, 6.0])
@pytest.mark.parametrize("last_step", [False, True])
def test_a_stack_with_a_head_gives_the_bits_of_the_oracle(last_step: bool, gain: float) -> None:
    _, qnetwork = quantized((5, 8, 7), outputs=4, last_step=last_step, gain=gain, cell_clip=1.0)
    x = raw(qnetwork, 3, 12)
    assert np.array_equal(run(qnetwork, x), run(qnetwork, x, engine="reference"))


def test_both_outputs_have_one_scale() -> None:
    _, qnetwork = quantized((5, 8, 6))
    for layer in qnetwork.layers:
        assert isinstance(layer, Recurrent)
        there, back = layer.directions
        assert there.output == back.output and there.scales["x"] == back.scales["x"]
    assert qnetwork.layers[1].parts[0].input == qnetwork.layers[0].parts[0].output
    layer = qnetwork.layers[0]
    assert isinstance(layer, Recurrent)
    there, back = layer.directions
    for value in ("x", "h"):
        moved = dataclasses.replace(back.scales[value], scale=2 * back.scales[value].scale)
        other = dataclasses.replace(back, scales={**back.scales, value: moved})
        told = f"different scales or zero points of {value}"
        with pytest.raises(ModelError, match=told):
            Recurrent((there, other))


@pytest.mark.parametrize("cell_name", ["lstm", "gru"])
def test_hybrid_kernels_follow_the_oracle(cell_name: str) -> None:
    network = bidirectional_network(cell_name, (5, 16, 9), outputs=3, last_step=True)
    qnetwork = quantize(network, None, "hybrid")
    x = random_input(network, 3, 12)
    got, expected = run(qnetwork, x), run(qnetwork, x, engine="reference")
    # a rounded h may fall to its neighbour where float32 and float64 differ
    assert np.abs(got - expected).max() < 0.02 * np.abs(expected).max()


@pytest.mark.parametrize("precision", ["int8", "hybrid"])
def test_the_error_against_float_is_that_of_one_direction(precision: str) -> None:
    network, qnetwork = quantized((5, 16, 12), precision, outputs=3, last_step=True)
    compared = measure_fidelity(network, qnetwork, random_input(network, 20, 25, seed=4))
    assert list(compared.layer_snr_db) == ["lstm1", "lstm2", "dense1"]
    assert all(snr is not None and snr > 25 for snr in compared.layer_snr_db.values())


def test_saturation_is_said_of_each_direction() -> None:
    _, qnetwork = quantized((5, 16), gain=12.0)
    assert {found.layer for found in saturation(qnetwork)} == {"lstm1", "lstm1_reverse"}


def test_a_session_refuses_a_step_and_knows_the_types_of_its_state() -> None:
    _, qnetwork = quantized((5, 8))
    session = Session(qnetwork)
    session.run(raw(qnetwork, 1, 4)[0])
    assert {s: v.dtype.name for s, v in session.state["lstm1"].items()} == {
        "h": "int8",
        "c": "int16",
    }
    for x in (np.zeros(5, np.int8), np.zeros(5, np.float32)):
        with pytest.raises(ModelError, match="bidirectional"):
            session.step(x)


def test_a_cell_without_a_fused_form_is_refused_with_what_works() -> None:
    network = bidirectional_network("gru", (4, 6))
    with pytest.raises(ModelError, match="layer 'gru1': a gru has no fused int8 form.*float32"):
        quantize(network, random_input(network, 2, 5), form="fused")
