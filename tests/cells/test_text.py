"""The equations that tables print, against how papers write them."""

import pytest

from edgelstm.cells import CELLS
from edgelstm.cells.text import equations

LSTM = {
    "i": ("i = sigmoid(W_i x + U_i h)",),
    "f": ("f = sigmoid(W_f x + U_f h)",),
    "g": ("g = tanh(W_g x + U_g h)",),
    "o": ("o = sigmoid(W_o x + U_o h)",),
    "cell": ("c = f * c + i * g", "h = o * tanh(c)"),
}


def test_an_lstm_is_its_six_equations() -> None:
    assert equations("lstm") == LSTM


@pytest.mark.parametrize(
    ("cell_name", "row", "expected"),
    [
        ("lstm_peephole", "o", "o = sigmoid(W_o x + U_o h + p_o * c)"),
        ("lstm_coupled", "cell", "c = f * c + (1 - f) * g"),
        ("gru", "n", "n = tanh(W_n x + r * U_n h)"),
        ("gru", "cell", "h = n + z * (h - n)"),
        ("gru_reset_before", "n", "n = tanh(W_n x + U_n (r * h))"),
        ("mgu", "cell", "h = h + f * (n - h)"),
        ("rnn", "n", "n = tanh(W_n x + U_n h)"),
        ("rnn", "cell", "h = n"),
    ],
)
def test_other_cells_read_as_in_their_papers(cell_name: str, row: str, expected: str) -> None:
    assert equations(cell_name)[row][0] == expected


@pytest.mark.parametrize("cell_name", CELLS)
def test_every_gate_has_one(cell_name: str) -> None:
    got = equations(cell_name)
    assert list(got) == [*CELLS[cell_name].gates, "cell"]
    assert all(got.values())


def test_projection_is_the_last_of_them() -> None:
    assert equations("lstm", projected=True)["cell"][-1] == "h = W_hr h"
