"""Nine published recurrent networks, recounted from their sizes alone."""

import csv
import pathlib

import pytest

from edgelstm.cost.count_ops import count
from edgelstm.model.sizes import shapes

TABLE = pathlib.Path(__file__).parents[1] / "data" / "hello_edge.csv"
CELLS = {"Basic LSTM": "lstm", "LSTM": "lstm_peephole", "GRU": "gru_reset_before"}
WORDS = 12  # outputs of the head
# Activation bytes of the paper's memory figure, per unit, beside the whole input in 8 bits.
PER_UNIT = {"Basic LSTM": 4, "LSTM": 5, "GRU": 3}


def networks() -> list[dict[str, str]]:
    lines = [line for line in TABLE.read_text().splitlines() if not line.startswith("#")]
    return [row for row in csv.DictReader(lines) if row["model"] in CELLS]


def test_there_are_nine() -> None:
    assert len(networks()) == 9


@pytest.mark.parametrize("row", networks(), ids=lambda row: f"{row['model']} {row['size']}")
def test_published_operations_and_memory_come_out(row: dict[str, str]) -> None:
    i, h, steps = (int(row[k]) for k in ("input_size", "hidden_size", "time_steps"))
    projection = int(row["projection_size"]) if row["projection_size"] else None
    network = shapes(CELLS[row["model"]], i, h, projection=projection, outputs=WORDS)
    counts = count(network, steps=steps, precision="int8")
    assert counts.sequence is not None
    operations = 2 * counts.sequence.total.macs / 1e6
    assert operations == pytest.approx(float(row["published_ops_m"]), rel=0.025)
    # These networks have one bias per gate: what is stored here twice merges.
    gates = len(counts.layers[0].gates)
    parameters = counts.parameters - gates * h
    assert parameters == int(row["parameters"])
    memory_kb = (parameters + steps * i + PER_UNIT[row["model"]] * h) / 1000
    assert memory_kb == pytest.approx(float(row["published_memory_kb"]), abs=0.1)
