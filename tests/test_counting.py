"""Counts against closed forms, hand counts and published networks."""

import dataclasses
import time
import tracemalloc

import pytest

from edgelstm.cells import CELLS
from edgelstm.counting import COLUMNS, Row, count
from edgelstm.errors import ModelError
from edgelstm.network import Network, Recurrent
from edgelstm.plan import plan
from edgelstm.precision import PRECISIONS
from tests.networks import golden_lstm
from tests.shapes import AD, dense, lstm, one, recurrent, zeros

SIZES = [(80, 12), (40, 64), (1, 1), (7, 33), (3, 16), (16, 3)]
EVERY = [(cell, precision) for cell in CELLS for precision in PRECISIONS]


def added(rows: list[Row]) -> dict[str, int]:
    return {column: sum(getattr(row, column) for row in rows) for column in COLUMNS}


def columns(row: Row) -> dict[str, int]:
    return {column: getattr(row, column) for column in COLUMNS}


def test_hand_counted_lstm_counts_as_by_hand() -> None:
    counts = count(lstm(80, 12), steps=10, precision="int8")
    got = counts.total
    assert (got.macs, got.muls, got.adds) == (4416, 4452, 4428)
    assert (got.sigmoids, got.tanhs, got.requantizations) == (36, 24, 132)
    assert counts.parameters == 4512  # as stored, with two biases; 4464 when merged
    assert got.weight_bytes + got.bias_bytes // 4 == 4464
    assert counts.sequence is not None
    assert counts.sequence.total.macs == 44160


def test_gru_counts_the_reset_product_and_two_biases_in_its_candidate() -> None:
    total = count(one(recurrent("gru", 40, 64))).total
    assert (total.muls, total.adds) == (20096, 20160)
    candidate = count(one(recurrent("gru", 40, 64))).layers[0].gates[2]
    assert candidate.name == "n"
    assert candidate.muls - candidate.macs == 64
    assert candidate.bias_bytes == 2 * 64 * 4


@pytest.mark.parametrize(("i", "h"), SIZES)
def test_closed_forms_hold(i: int, h: int) -> None:
    expected = {
        "lstm": (4 * h * (i + h), 3 * h, h, 3 * h, 2 * h, 11 * h, 4 * h * (i + h) + 8 * h),
        "gru": (3 * h * (i + h), 2 * h, 3 * h, 2 * h, h, 8 * h, 3 * h * (i + h) + 6 * h),
        "gru_reset_before": (3 * h * (i + h), 2 * h, 2 * h, 2 * h, h, 8 * h) + (None,),
    }
    for cell_name, (macs, muls, adds, sigmoids, tanhs, rescaled, parameters) in expected.items():
        counts = count(one(recurrent(cell_name, i, h)), precision="int8")
        got = counts.total
        assert (got.macs, got.muls - macs, got.adds - macs) == (macs, muls, adds), cell_name
        assert (got.sigmoids, got.tanhs, got.requantizations) == (sigmoids, tanhs, rescaled)
        assert parameters in (None, counts.parameters)


@pytest.mark.parametrize(("cell_name", "precision"), EVERY)
def test_columns_add_up(cell_name: str, precision: str) -> None:
    layers = (
        recurrent(cell_name, 7, 33),
        recurrent(cell_name, 33, 5, "layer2"),
        dense(5, 4, "sigmoid"),
    )
    counts = count(Network(layers, last_step=True), steps=9, precision=precision)
    for layer in counts.layers:
        assert added([*layer.gates, layer.cell]) == columns(layer.total)
    assert added([layer.total for layer in counts.layers]) == columns(counts.total)
    assert counts.sequence is not None
    assert added([layer.total for layer in counts.sequence.layers]) == columns(
        counts.sequence.total
    )
    assert counts.parameters == Network(layers, last_step=True).n_parameters


def test_gates_and_cell_hold_what_the_lstm_does_there() -> None:
    layer = count(lstm(40, 64), precision="int8").layers[0]
    i, h = 40, 64
    for gate, sigmoids in zip(layer.gates, (h, h, 0, h), strict=True):
        expected = Row(gate.name, 6656, 6656, 6656, sigmoids, h - sigmoids, 2 * h, 2560 + 4096)
        assert gate == dataclasses.replace(
            expected, bias_bytes=256, input_read_bytes=i, state_read_bytes=h
        )
    assert [gate.name for gate in layer.gates] == ["i", "f", "g", "o"]
    assert layer.cell == Row(
        "cell",
        adds=h,
        muls=3 * h,
        tanhs=h,
        requantizations=3 * h,
        state_read_bytes=2 * h,
        state_write_bytes=3 * h,
    )


@pytest.mark.parametrize(
    ("precision", "rescaled", "weight_bytes", "bias_bytes", "written"),
    [("float32", 0, 4, 4, 8), ("int8", 11 * 12, 1, 4, 3), ("hybrid", 8 * 12 + 80 + 12, 1, 4, 8)],
)
def test_precision_decides_bytes_and_requantizations(
    precision: str, rescaled: int, weight_bytes: int, bias_bytes: int, written: int
) -> None:
    got = count(lstm(80, 12), precision=precision).total
    assert got.requantizations == rescaled
    assert got.weight_bytes == weight_bytes * 4416
    assert got.bias_bytes == bias_bytes * 48
    assert got.state_write_bytes == written * 12


def test_dense_layer_counts_in_its_cell_alone() -> None:
    layer = count(one(dense(20, 7, "sigmoid")), precision="int8").layers[0]
    assert (layer.kind, layer.cell_name, layer.gates, layer.hidden_size) == ("dense", None, (), 7)
    assert (layer.cell.macs, layer.cell.muls, layer.cell.adds) == (140, 140, 140)
    assert (layer.cell.sigmoids, layer.cell.requantizations) == (7, 7)
    assert (layer.cell.weight_bytes, layer.cell.bias_bytes, layer.cell.input_read_bytes) == (
        *(140, 28),
        20,
    )


def test_published_dense_network_has_its_published_macs() -> None:
    assert count(AD).total.macs == 264192  # MLPerf Tiny's AD


# Y. Zhang et al., Hello Edge, arXiv 1711.07128: million operations of the published networks.
@pytest.mark.parametrize(
    ("cell_name", "hidden_size", "steps", "million_operations"),
    [
        *[("lstm", 118, 49, 5.9), ("lstm", 214, 49, 18.9), ("lstm", 344, 49, 47.9)],
        *[("gru", 154, 25, 3.8), ("gru", 250, 49, 19.2), ("gru", 400, 49, 48.4)],
    ],
)
def test_published_networks_have_their_published_operations(
    cell_name: str, hidden_size: int, steps: int, million_operations: float
) -> None:
    layers = (recurrent(cell_name, 10, hidden_size), dense(hidden_size, 12))
    sequence = count(Network(layers, last_step=True), steps).sequence
    assert sequence is not None
    got = 2 * sequence.total.macs / 1e6
    assert got == pytest.approx(million_operations, rel=0.01)  # printed with two or three digits


def test_head_over_the_last_step_runs_once_in_a_sequence() -> None:
    layers = (recurrent("lstm", 3, 4), dense(4, 5))
    for last_step, times in ((True, 1), (False, 6)):
        sequence = count(Network(layers, last_step), steps=6).sequence
        assert sequence is not None
        lstm_counts, head = sequence.layers
        assert (lstm_counts.total.macs, head.total.macs) == (6 * 112, times * 20)


def test_clip_is_not_counted() -> None:
    plain = recurrent("lstm", 3, 4)
    clipped = dataclasses.replace(plain, cell_clip=10.0)
    assert count(one(clipped)).total == count(one(plain)).total


def test_quantized_network_counts_as_the_float_network_does() -> None:
    quantized, network = golden_lstm(), lstm(2, 2)
    got, expected = count(quantized, steps=4), count(network, steps=4, precision="int8")
    assert got.total == expected.total
    assert got.parameters == expected.parameters
    assert got.precision == "int8"


def test_cells_count_whose_integers_are_not_written() -> None:
    network = one(recurrent("gru", 4, 5))
    with pytest.raises(ModelError):
        plan(network, "int8")
    assert count(network, precision="int8").total.requantizations == 8 * 5


def test_dictionary_has_the_promised_keys() -> None:
    got = count(lstm(3, 4), steps=2).to_dict()
    assert list(got) == ["precision", "parameters", "layers", "total", "sequence"]
    row = ["name", *COLUMNS]
    layer = got["layers"][0]
    assert list(layer) == [
        *("name", "kind", "cell_name", "input_size", "hidden_size", "gates", "cell", "total")
    ]
    assert list(layer["cell"]) == list(layer["gates"][0]) == list(got["total"]) == row
    assert list(got["sequence"]) == ["steps", "layers", "total"]
    assert count(lstm(3, 4)).to_dict()["sequence"] is None


def test_fifty_million_parameters_count_at_once_and_in_little_memory() -> None:
    tracemalloc.start()
    began = time.perf_counter()
    layers = tuple(recurrent("lstm", 790, 790, f"lstm{k}") for k in range(10))
    counts = count(Network(layers, last_step=False), steps=10**9)
    seconds = time.perf_counter() - began
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert counts.parameters == 49_991_200
    assert seconds < 1
    assert peak < 50e6


@pytest.mark.parametrize(
    ("steps", "precision", "said"),
    [
        (0, None, "steps is 0"),
        (2.5, None, "steps is 2.5"),
        (None, "int4", "precision 'int4' is unknown"),
    ],
)
def test_unusable_arguments_are_named(steps: int, precision: str | None, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        count(lstm(2, 3), steps, precision)


def test_quantized_network_refuses_another_precision() -> None:
    with pytest.raises(ModelError, match="quantized to int8"):
        count(golden_lstm(), precision="float32")


def test_one_bias_per_gate_reads_as_stored_twice() -> None:
    network = one(Recurrent("l", "lstm", zeros(8, 3), zeros(8, 2), zeros(8), zeros(8)))
    assert count(network).parameters == network.n_parameters == 8 * 5 + 16
