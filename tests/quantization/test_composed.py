"""The composed form: which scale each value gets, and how far the integers are from float."""

import math
from typing import Any

import numpy as np
import pytest

from edgelstm.cells import CELLS
from edgelstm.errors import ModelError
from edgelstm.execution.session import Session, run
from edgelstm.formats import read, write
from edgelstm.layers.recurrent import Direction, Recurrent
from edgelstm.model.forward import forward
from edgelstm.model.network import Network
from edgelstm.quantization.lower import lower
from edgelstm.quantization.operations import Product, Sum
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.quantizer import quantize
from edgelstm.quantization.scales import Scale, mantissa_bits
from tests.networks import bidirectional_network, random_input, random_network

NARROW = ("int8", "int16x8")
cells = pytest.mark.parametrize("cell_name", CELLS)
precisions = pytest.mark.parametrize("precision", NARROW)


def composed(cell_name: str, precision: str, **asked: Any) -> tuple[Network, QuantizedNetwork]:
    network = random_network(cell_name, **asked)
    return network, quantize(network, random_input(network, 4, 30), precision, "composed")


# Kind of each traced operation and log2 of its result's scale, in the order of the equations.
GRU = (
    [("affine_ih", -11), ("affine_hh", -11), ("add", -11), ("sigmoid", -15)] * 2
    + [("affine_ih", -11), ("affine_hh", -11), ("mul", -11), ("add", -13), ("tanh", -15)]
    + [("sub", -14), ("mul", -14), ("add", -15)]
)
RESET_BEFORE = (
    [("affine_ih", -11), ("affine_hh", -11), ("add", -11), ("sigmoid", -15)] * 2
    + [("affine_ih", -11), ("mul", -15), ("affine_hh", -11), ("add", -13), ("tanh", -15)]
    + [("sub", -14), ("mul", -14), ("add", -15)]
)


@pytest.mark.parametrize(
    ("cell_name", "expected"), [("gru", GRU), ("gru_reset_before", RESET_BEFORE)]
)
def test_scales_follow_from_what_values_are_used_for(
    cell_name: str, expected: list[tuple[str, int]]
) -> None:
    _, qnetwork = composed(cell_name, "int16x8")
    layer = qnetwork.layers[0].parts[0]
    assert [(op.kind, layer.scales[op.result].log2) for op in layer.plan.ops] == expected


@precisions
@cells
def test_what_a_sigmoid_or_tanh_reads_is_what_all_runtimes_look_up(
    cell_name: str, precision: str
) -> None:
    _, qnetwork = composed(cell_name, precision)
    layer = qnetwork.layers[0].parts[0]
    for op in layer.plan.ops:
        read = layer.scales[op.args[0]]
        if op.kind == "sigmoid":
            assert read.log2 != -12
        if op.kind == "tanh":
            assert read.log2 not in (-12, -11)


@precisions
@cells
def test_products_have_odd_mantissas_of_15_bits(cell_name: str, precision: str) -> None:
    _, qnetwork = composed(cell_name, precision, sizes=(5, 9, 7), outputs=3)
    for part in (part for layer in qnetwork.layers for part in layer.parts):
        made = lower(part)
        for op in made.ops:
            if isinstance(op, Product):
                product = op.weight_scale * made.scales[op.args[0]].scale
                assert 13 <= mantissa_bits(product) <= 15 and np.float32(product) == product
                assert op.bias is None or op.bias.dtype == np.int64


@precisions
def test_x_and_h_are_stored_as_the_precision_says(precision: str) -> None:
    _, qnetwork = composed("gru", precision)
    layer = qnetwork.layers[0].parts[0]
    h = {"int8": Scale(2.0**-7, 0, "int8"), "int16x8": Scale(2.0**-15, 0, "int16")}
    assert layer.output == h[precision] == qnetwork.output
    assert qnetwork.input_zero_point == 0
    assert mantissa_bits(qnetwork.input_scale) <= (4 if precision == "int8" else 0)


# Root mean square of the error of h: 6 normal inputs, 20 sequences of 100 steps.
ERRORS = [
    ("lstm", 16, 0.0030, 0.0060),
    ("lstm_peephole", 16, 0.0030, 0.0060),
    ("lstm_coupled", 16, 0.0030, 0.0060),
    ("lstm_coupled_peephole", 16, 0.0030, 0.0060),
    ("gru", 16, 0.0050, 0.0100),
    ("gru_reset_before", 16, 0.0050, 0.0100),
    ("mgu", 16, 0.0050, 0.0100),
    ("rnn", 16, 0.0090, 0.0145),
    ("rnn relu", 16, 0.0080, 0.021),
    ("lstm projected", 16, 0.0045, 0.0085),
    ("gru", 33, 0.0065, 0.0110),
]


def normal(cell_name: str, hidden_size: int, kept: int = 0) -> Direction:
    """Weights of one draw: of x 0.6, of h 0.3 (half of that behind a relu), biases 0.2."""
    cell_name, _, more = cell_name.partition(" ")
    spec, rng = CELLS[cell_name], np.random.default_rng(5)

    def drawn(size: float, *shape: int) -> Any:
        rows = [rng.normal(0, size, (hidden_size, *shape)) for _ in spec.gates]
        return np.concatenate(rows).astype(np.float32)

    weight_ih = drawn(0.6, 6)
    weight_hh = drawn(0.15 if more == "relu" else 0.3, kept or hidden_size)
    biases = drawn(0.2), drawn(0.2)
    peepholes = rng.normal(0, 0.3, len(spec.peepholes) * hidden_size).astype(np.float32)
    return Direction(
        "layer",
        cell_name,
        weight_ih,
        weight_hh,
        *biases,
        weight_hr=rng.normal(0, 0.3, (kept, hidden_size)).astype(np.float32) if kept else None,
        weight_peephole=peepholes if spec.peepholes else None,
        nonlinearity=more if more == "relu" else "tanh",
    )


@pytest.mark.parametrize(("cell_name", "hidden_size", "wide", "narrow"), ERRORS)
def test_the_error_against_float_is_that_of_the_weights(
    cell_name: str, hidden_size: int, wide: float, narrow: float
) -> None:
    kept = 8 if cell_name.endswith("projected") else 0
    network = Network((Recurrent((normal(cell_name, hidden_size, kept),)),))
    x = np.random.default_rng(0).normal(size=(20, 100, 6)).astype(np.float32)
    expected = forward(network, x)
    for precision, most in (("int16x8", wide), ("int8", narrow)):
        got = run(quantize(network, x, precision, "composed"), x, engine="reference")
        assert math.sqrt(((got - expected) ** 2).mean()) <= most


# ---- running it


@precisions
@cells
def test_compiled_kernels_give_the_bits_of_the_reference(cell_name: str, precision: str) -> None:
    for asked in (
        {"sizes": (5, 12)},
        {"sizes": (3, 9, 7), "outputs": 4, "activation": "sigmoid", "last_step": True},
        {"sizes": (6, 16), "outputs": 3, "activation": "tanh", "gain": 6.0},
        {"sizes": (2, 1), "outputs": 2, "activation": "relu", "last_step": True},
    ):
        network, qnetwork = composed(cell_name, precision, **asked)
        x = random_input(network, 3, 20)
        assert qnetwork.input is not None
        raw = np.random.default_rng(1).integers(*qnetwork.input.limits, x.shape)
        for given in (x, raw.astype(qnetwork.input.type)):
            expected = run(qnetwork, given, engine="reference")
            got = run(qnetwork, given)
            assert got.dtype == expected.dtype and np.array_equal(got, expected)


@precisions
@pytest.mark.parametrize("cell_name", ["gru", "lstm"])
def test_both_directions_share_a_scale(cell_name: str, precision: str) -> None:
    network = bidirectional_network(cell_name, (4, 6, 5), outputs=2)
    x = random_input(network, 3, 15)
    qnetwork = quantize(network, x, precision, "composed")
    assert np.array_equal(run(qnetwork, x), run(qnetwork, x, engine="reference"))


@precisions
def test_steps_are_the_sequence_and_states_are_stored_integers(precision: str) -> None:
    network, qnetwork = composed("gru", precision, sizes=(4, 6, 5))
    x = random_input(network, 1, 12)[0]
    session = Session(qnetwork)
    expected = session.run(x)
    session.reset()
    assert np.array_equal([session.step(v) for v in x], expected)
    kind = {"int8": "int8", "int16x8": "int16"}[precision]
    assert {v.dtype.name for s in session.state.values() for v in s.values()} == {kind}


# ---- kept in a file


@precisions
@cells
def test_npz_gives_the_same_integers(cell_name: str, precision: str, tmp_path: Any) -> None:
    network, qnetwork = composed(cell_name, precision, sizes=(3, 5, 4), outputs=2, cell_clip=0.0)
    got = read(write(qnetwork, tmp_path / "net.npz"))
    assert isinstance(got, QuantizedNetwork) and got.form == "composed"
    x = random_input(network, 2, 9)
    expected = run(qnetwork, x, engine="reference")
    assert np.array_equal(run(got, x, engine="reference"), expected)


# ---- what is refused


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("int8", "loose"), "precision 'int8' has no form 'loose'; it has fused and composed"),
        (("hybrid", "composed"), "precision 'hybrid' has no form 'composed'; its values are real"),
        (("int8", "fused"), "layer 'gru1': a gru has no fused int8 form"),
    ],
)
def test_a_form_that_is_not_there_is_refused(asked: tuple[str, str], told: str) -> None:
    network = random_network("gru")
    with pytest.raises(ModelError, match=told):
        quantize(network, random_input(network, 2, 5), *asked)


@pytest.mark.parametrize(("precision", "other"), [("int8", np.int16), ("int16x8", np.int8)])
def test_the_other_width_of_integers_is_refused(precision: str, other: Any) -> None:
    _, qnetwork = composed("gru", precision)
    with pytest.raises(ModelError, match=f"x is {np.dtype(other).name}, but this network's raw"):
        run(qnetwork, np.zeros((3, 5), other))


def test_weights_beyond_what_sums_can_be_rescaled_by_are_refused() -> None:
    layer: Any = random_network("gru", (5, 4)).layers[0].parts[0]
    heavy = Direction(
        "gru1", "gru", layer.weight_ih, layer.weight_hh * np.float32(1e9), *layer.biases.values()
    )
    network = Network((Recurrent((heavy,)),))
    with pytest.raises(ModelError, match="weight_hh, gate r: sums reach .* such weights need"):
        quantize(network, random_input(network, 2, 5))


def test_a_sum_takes_both_sides_to_one_scale() -> None:
    _, qnetwork = composed("gru", "int16x8")
    made = lower(qnetwork.layers[0].parts[0])
    last = next(op for op in reversed(made.ops) if isinstance(op, Sum))
    # n of 2**-15 and z * (h - n) of 2**-14, to half of the coarser: 2**-13, with 15 bits below it.
    assert (last.left.ratio, last.right.ratio) == (2.0**-2, 2.0**-1)
    assert last.rescale.ratio == 2.0**-13 / 2.0**15 / 2.0**-15
