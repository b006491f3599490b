"""CELLS: every cell the toolkit knows.

A new one is a file here with its equations, and a line in this table.
"""

from edgelstm.cells.gru import GRU, GRU_RESET_BEFORE
from edgelstm.cells.lstm import LSTM, LSTM_COUPLED, LSTM_COUPLED_PEEPHOLE, LSTM_PEEPHOLE
from edgelstm.cells.simple import MGU, RNN
from edgelstm.cells.spec import CellSpec

CELLS: dict[str, CellSpec] = {
    spec.name: spec
    for spec in (
        *(LSTM, LSTM_PEEPHOLE, LSTM_COUPLED, LSTM_COUPLED_PEEPHOLE),
        *(GRU, GRU_RESET_BEFORE, RNN, MGU),
    )
}
