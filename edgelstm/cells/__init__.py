"""CELLS: every cell the toolkit knows.

A new one is a file here with its equations, and a line in this table.
"""

from edgelstm.cells.gru import GRU, GRU_RESET_BEFORE
from edgelstm.cells.lstm import LSTM, LSTM_COUPLED, LSTM_COUPLED_PEEPHOLE, LSTM_PEEPHOLE
from edgelstm.cells.simple import MGU, RNN
from edgelstm.cells.spec import CellSpec, trace

CELLS: dict[str, CellSpec] = {
    spec.name: spec
    for spec in (
        *(LSTM, LSTM_PEEPHOLE, LSTM_COUPLED, LSTM_COUPLED_PEEPHOLE),
        *(GRU, GRU_RESET_BEFORE, RNN, MGU),
    )
}


def same_cell(cell_name: str, other: str) -> bool:
    """Whether two cells compute the same, whatever they are called: for what is one cell in itself.

    The operations alone do not say it: `h = i * tanh(c)` has those of the LSTM.
    """
    one, two = CELLS[cell_name], CELLS[other]
    return (one.gates, one.states, trace(one)) == (two.gates, two.states, trace(two))
