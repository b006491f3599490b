"""What a network refuses, and in which words."""

import re
from typing import Any

import numpy as np
import pytest

from edgelstm.errors import ModelError
from edgelstm.layers.dense import Dense
from edgelstm.layers.read_steps import reading
from edgelstm.layers.recurrent import Direction, Recurrent
from edgelstm.model.network import Network, layer_names
from tests.networks import random_network

F = np.float32


def recurrent(cell_name: str = "gru", hidden: int = 32, **changed: Any) -> Direction:
    rows = {"gru": 3, "lstm": 4}.get(cell_name, 3) * hidden
    arrays = {
        "weight_ih": np.zeros((rows, 5), F),
        "weight_hh": np.zeros((rows, hidden), F),
        "bias_ih": np.zeros(rows, F),
        "bias_hh": np.zeros(rows, F),
    }
    return Direction("gru1", cell_name, **(arrays | changed))


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            {"weight_hh": np.zeros((96, 30), F)},
            "layer 'gru1': weight_hh has shape (96, 30); a gru of hidden_size 30 needs (90, 30)",
        ),
        (
            {"weight_ih": np.zeros((95, 5), F)},
            "layer 'gru1': weight_ih has shape (95, 5); a gru of hidden_size 32 needs (96, 5)",
        ),
        (
            {"bias_hh": np.zeros(1, F)},
            "bias_hh has shape (1,); a gru of hidden_size 32 needs (96,)",
        ),
        ({"weight_ih": np.zeros((96, 0), F)}, "weight_ih has shape (96, 0); two axes, not empty"),
        ({"bias_ih": np.full(96, np.nan, F)}, "bias_ih holds 96 values of 96 that are not finite"),
        ({"bias_ih": np.zeros(96)}, "bias_ih is float64; float32 is needed"),
    ],
)
def test_arrays_that_do_not_fit_are_named(changed: dict[str, Any], expected: str) -> None:
    with pytest.raises(ModelError, match=re.escape(expected)):
        recurrent(**changed)


def test_unknown_cell_lists_the_known_ones() -> None:
    with pytest.raises(ModelError, match="cell 'nope' is unknown; known: lstm, "):
        recurrent("nope")


def test_a_gru_has_no_cell_to_clip() -> None:
    r = recurrent()
    with pytest.raises(ModelError, match="no cell state"):
        Direction("g", "gru", r.weight_ih, r.weight_hh, r.bias_ih, r.bias_hh, cell_clip=1.0)


def test_layers_that_do_not_chain_are_named() -> None:
    dense = Dense("dense1", np.zeros((2, 7), F), np.zeros(2, F))
    with pytest.raises(ModelError, match="'dense1' takes 7 values, but 'gru1' before it gives 32"):
        Network((Recurrent((recurrent(),)), dense))


def test_dense_layers_alone_have_no_last_step() -> None:
    with pytest.raises(ModelError, match="last_step=False"):
        Network(reading((Dense("dense1", np.zeros((2, 7), F), np.zeros(2, F)),), last_step=True))


def test_parameters_are_counted_as_stored() -> None:
    network = random_network("lstm", (80, 12), outputs=3)
    assert network.n_parameters == 4 * 12 * (80 + 12 + 2) + 3 * 13


def test_layers_are_counted_per_kind() -> None:
    names = layer_names(["dense", "lstm", "lstm", "gru_reset_before", "dense"])
    assert names == ["dense1", "lstm1", "lstm2", "gru1", "dense2"]
