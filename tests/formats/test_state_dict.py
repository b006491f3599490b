"""Weights alone: cell, order of layers, head and activations, and what is said about them."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.formats.asked import Asked
from edgelstm.formats.state_dict import to_network
from edgelstm.layers.dense import Dense
from edgelstm.layers.directions import parts
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.network import Network

Tensors = dict[str, NDArray[Any]]


def weights(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


def recurrent(
    prefix: str, input_size: int, hidden_size: int, suffix: str = "_l0", *, n_gates: int = 4
) -> Tensors:
    rows = n_gates * hidden_size
    return {
        f"{prefix}weight_ih{suffix}": weights(rows, input_size),
        f"{prefix}weight_hh{suffix}": weights(rows, hidden_size, seed=1),
        f"{prefix}bias_ih{suffix}": weights(rows, seed=2),
        f"{prefix}bias_hh{suffix}": weights(rows, seed=3),
    }


def dense(prefix: str, input_size: int, output_size: int) -> Tensors:
    return {
        f"{prefix}weight": weights(output_size, input_size, seed=4),
        f"{prefix}bias": weights(output_size, seed=5),
    }


RELU = Asked(activation="relu")
LSTM, GRU, HEAD = recurrent("rnn.", 5, 8), recurrent("rnn.", 5, 8, n_gates=3), dense("fc.", 8, 3)


def shapes(network: Network) -> list[tuple[str, int, int]]:
    return [
        (layer.name, layer.input_size, layer.output_size) for layer in network.layers if layer.parts
    ]


@pytest.mark.parametrize("n_gates, cell_name", [(4, "lstm"), (3, "gru")])
@pytest.mark.parametrize("hidden_size", [1, 3, 16, 33])
def test_the_cell_follows_from_the_rows(n_gates: int, cell_name: str, hidden_size: int) -> None:
    tensors = recurrent("", 7, hidden_size, n_gates=n_gates)
    network = to_network(tensors, "net.pt")
    (layer,) = network.layers
    assert isinstance(layer, Recurrent) and layer.cell_name == cell_name
    assert shapes(network) == [(f"{cell_name}1", 7, hidden_size)] and not network.last_step
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        np.testing.assert_array_equal(layer.arrays[name], tensors[f"{name}_l0"])


def test_single_cells_and_layers_in_front_are_read() -> None:
    cells = {**recurrent("cell1.", 5, 8, ""), **recurrent("cell2.", 8, 4, "")}
    assert shapes(to_network(cells, "net.pt")) == [("lstm1", 5, 8), ("lstm2", 8, 4)]
    around = {**dense("embed.", 2, 5), **LSTM}
    assert shapes(to_network(around, "net.pt")) == [("dense1", 2, 5), ("lstm1", 5, 8)]
    alone = to_network({**dense("0.", 8, 4), **dense("2.", 4, 2)}, "net.pt", RELU)
    assert shapes(alone) == [("dense1", 8, 4), ("dense2", 4, 2)] and not alone.last_step


def test_absent_biases_are_zeros() -> None:
    tensors = {k: v for k, v in {**GRU, **HEAD}.items() if "bias" not in k}
    got = to_network(tensors, "net.pt")
    rnn, _, fc = got.layers
    assert isinstance(rnn, Recurrent) and isinstance(fc, Dense)
    assert not rnn.forward.bias_ih.any() and not rnn.forward.bias_hh.any() and not fc.bias.any()
    assert {"'rnn.bias_ih_l0' is absent: zeros", "'fc.bias' is absent: zeros"} <= set(got.assumed)


@pytest.mark.parametrize(
    "tensors, head, expected",
    [
        ({**LSTM, **HEAD}, None, True),
        ({**LSTM, **HEAD}, "each", False),
        (LSTM, None, False),
        (LSTM, "last", True),
    ],
)
def test_a_head_reads_the_last_step_unless_told_otherwise(
    tensors: Tensors, head: str | None, expected: bool
) -> None:
    got = to_network(tensors, "net.pt", Asked(head))
    assert got.last_step is expected
    is_assumed = head is None and expected
    assert ("'fc.*' reads the last step" in got.assumed) is is_assumed


def test_activations_stand_where_the_caller_says() -> None:
    one = to_network({**LSTM, **HEAD}, "net.pt", Asked(activation="softmax"))
    assert isinstance(one.layers[-1], Dense) and one.layers[-1].activation == "softmax"
    two = to_network({**LSTM, **HEAD, **dense("out.", 3, 2)}, "net.pt", RELU)
    assert [getattr(layer, "activation", "") for layer in parts(two.layers)] == ["", "relu", None]
    assert "relu stands behind each dense layer but the last" in two.assumed
    assert "no activation stands behind 'out.*'" in two.assumed


def test_half_and_double_weights_become_float32() -> None:
    half = {k: v.astype(np.float16) for k, v in LSTM.items()}
    exact = {k: v.astype(np.float64) for k, v in LSTM.items()}
    third = {**LSTM, "rnn.bias_ih_l0": np.full(32, 1 / 3)}
    rounded = "float64 weights are rounded to float32"
    for tensors, is_rounded in ((half, False), (exact, False), (third, True)):
        got = to_network(tensors, "net.pt")
        expected = tensors["rnn.weight_ih_l0"].astype(np.float32)
        np.testing.assert_array_equal(got.layers[0].arrays["weight_ih"], expected)
        assert (rounded in got.assumed) is is_rounded


def test_the_gates_order_is_said() -> None:
    assert to_network(LSTM, "net.pt").assumed == (
        "'rnn.*_l0' is PyTorch's LSTM, with its gates in the order i f g o",
    )
    assert to_network(GRU, "net.pt").assumed == (
        "'rnn.*_l0' is PyTorch's GRU, with its gates in the order r z n",
    )


def without(tensors: Tensors, name: str) -> Tensors:
    return {k: v for k, v in tensors.items() if k != name}


RNN = recurrent("rnn.", 5, 8, n_gates=1)
BAD = {
    "empty": ({}, "holds no weights under PyTorch's names"),
    "rnn": (RNN, "'rnn.weight_hh_l0' has shape (8, 8): a plain RNN, which is not supported yet"),
    "five gates": (
        recurrent("", 5, 8, n_gates=5),
        "'weight_hh_l0' has shape (40, 8); 4 rows per column (LSTM) or 3 (GRU) are needed",
    ),
    "projection": (
        {**LSTM, "rnn.weight_hr_l0": weights(4, 8)},
        "'rnn.weight_hr_l0': a projection is not supported yet",
    ),
    "reverse": (
        {**LSTM, "rnn.weight_ih_l0_reverse": weights(32, 5)},
        "tensor 'rnn.weight_hh_l0_reverse' is missing",
    ),
    "missing": (without(LSTM, "rnn.weight_hh_l0"), "tensor 'rnn.weight_hh_l0' is missing"),
    "gap": (
        {**LSTM, **recurrent("rnn.", 8, 8, "_l2")},
        "'rnn.weight_ih' has the layers [0, 2]; some are missing",
    ),
    "vector": ({**LSTM, "rnn.weight_ih_l0": weights(32)}, "has shape (32,); a matrix is needed"),
    "no units": (recurrent("", 5, 0), "'weight_ih_l0' has shape (0, 5); a matrix is needed"),
    "short bias": (
        {**LSTM, "rnn.bias_hh_l0": weights(30)},
        "'rnn.*_l0': layer 'lstm1': bias_hh has shape (30,)",
    ),
    "rows differ": (
        {**LSTM, "rnn.weight_ih_l0": weights(24, 5)},
        "'rnn.*_l0': layer 'lstm1': weight_ih has shape (24, 5)",
    ),
    "norm": ({**LSTM, "norm.weight": weights(8)}, "'norm.weight' has shape (8,), as of a normal"),
    "convolution": (
        {**LSTM, "conv1.weight": weights(5, 2, 3)},
        "'conv1.weight' has shape (5, 2, 3), as of a convolution",
    ),
    "unknown": (
        {**LSTM, "mean": weights(5)},
        "'mean' of shape (5,) belongs to no LSTM, GRU or dense layer",
    ),
    "bias alone": (without({**LSTM, **HEAD}, "fc.weight"), "'fc.bias' of shape (3,) belongs to no"),
    "no order": (
        {**LSTM, **dense("fc.", 9, 3)},
        "fit in no order: 'rnn.*_l0' lstm 5 -> 8, 'fc.*' dense 9 -> 3",
    ),
    "many": ({k: v for n in range(30) for k, v in dense(f"{n}.", 3, 2).items()}, "fit in no order"),
    "integers": (
        {**LSTM, "rnn.weight_ih_l0": np.ones((32, 5), np.int8)},
        "tensor 'rnn.weight_ih_l0' is int8; weights are needed in float16",
    ),
    "not finite": (
        {**LSTM, "rnn.weight_hh_l0": np.full((32, 8), np.nan, np.float32)},
        "'rnn.*_l0': layer 'lstm1': weight_hh holds 256 values of 256 that are not finite",
    ),
    "too large": (
        {**LSTM, "rnn.bias_ih_l0": np.full(32, 1e39)},
        "bias_ih holds 32 values of 32 that are not finite",
    ),
    "long number": (
        recurrent("rnn.", 5, 8, "_l" + "9" * 5000),
        "belongs to no LSTM, GRU or dense layer",
    ),
}


@pytest.mark.parametrize("tensors, said", BAD.values(), ids=BAD)
def test_what_is_not_supported_is_named(tensors: Tensors, said: str) -> None:
    with pytest.raises(ModelError) as caught:
        to_network(tensors, "net.pt")
    assert str(caught.value).startswith("net.pt: ") and said in str(caught.value)


@pytest.mark.parametrize(
    "tensors, asked, said",
    [
        (
            {**HEAD, **dense("out.", 3, 2)},
            Asked(),
            "name it: --activation relu, in Python activation='relu'",
        ),
        (LSTM, RELU, "activation 'relu' needs a dense layer, and the file has none"),
        (
            {**LSTM, **HEAD},
            Asked(activation="elu"),
            "activation 'elu' is not supported; supported: relu",
        ),
        (HEAD, Asked("last"), "a network of dense layers alone has no last step"),
    ],
)
def test_options_that_do_not_fit_are_refused(tensors: Tensors, asked: Asked, said: str) -> None:
    with pytest.raises(ModelError, match=f"^net.pt: .*{said}"):
        to_network(tensors, "net.pt", asked)


@pytest.mark.parametrize("head", ["first", "", True, 0])
def test_a_head_that_is_neither_last_nor_each_is_refused(head: Any) -> None:
    with pytest.raises(ModelError, match="^head is .*; last or each is needed"):
        Asked(head)


@pytest.mark.parametrize("order", ["rnn,fc", 3, ("rnn", 1), {"rnn": 1}])
def test_an_order_that_is_no_list_of_names_is_refused(order: Any) -> None:
    with pytest.raises(ModelError, match="^order is .*; names are needed"):
        Asked(order=order)
