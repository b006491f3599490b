"""Counts against closed forms, hand counts and published networks."""

import dataclasses
import time
import tracemalloc

import numpy as np
import pytest

from edgelstm.cells import CELLS
from edgelstm.cost.count_ops import count
from edgelstm.cost.counts import COLUMNS, Row
from edgelstm.errors import ModelError
from edgelstm.layers.read_steps import reading
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.network import Network
from edgelstm.model.precision import PRECISIONS
from edgelstm.model.sizes import shapes
from edgelstm.quantization.quantizer import quantize
from tests.networks import golden_lstm
from tests.shapes import AD, dense, lstm, one, recurrent

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
    assert candidate.bias_bytes == 2 * 64 * 8  # of int64 sums


@pytest.mark.parametrize(("i", "h"), SIZES)
def test_closed_forms_hold(i: int, h: int) -> None:
    expected = {
        "lstm": (4 * h * (i + h), 3 * h, h, 3 * h, 2 * h, 11 * h, 4 * h * (i + h) + 8 * h),
        # Composed: each product rescales once, each add or difference three times, h at the end.
        "gru": (3 * h * (i + h), 2 * h, 3 * h, 2 * h, h, 24 * h, 3 * h * (i + h) + 6 * h),
        "gru_reset_before": (3 * h * (i + h), 2 * h, 2 * h, 2 * h, h, 24 * h) + (None,),
        "lstm_peephole": (4 * h * (i + h), 6 * h, 4 * h, 3 * h, 2 * h, 39 * h)
        + (4 * h * (i + h) + 11 * h,),
        "lstm_coupled": (3 * h * (i + h), 3 * h, 2 * h, 2 * h, 2 * h, 25 * h)
        + (3 * h * (i + h) + 6 * h,),
        "lstm_coupled_peephole": (3 * h * (i + h), 5 * h, 4 * h, 2 * h, 2 * h, 33 * h) + (None,),
        "rnn": (h * (i + h), 0, 0, 0, h, 6 * h, h * (i + h) + 2 * h),
        "mgu": (2 * h * (i + h), 2 * h, 2 * h, h, h, 19 * h, 2 * h * (i + h) + 4 * h),
    }
    assert set(expected) == set(CELLS)
    for cell_name, (macs, muls, adds, sigmoids, tanhs, rescaled, parameters) in expected.items():
        counts = count(one(recurrent(cell_name, i, h)), precision="int8")
        got = counts.total
        assert (got.macs, got.muls - macs, got.adds - macs) == (macs, muls, adds), cell_name
        assert (got.sigmoids, got.tanhs, got.requantizations) == (sigmoids, tanhs, rescaled)
        assert parameters in (None, counts.parameters)


@pytest.mark.parametrize(("i", "h", "p"), [(80, 12, 5), (40, 64, 32), (1, 1, 1), (3, 16, 16)])
def test_projection_counts_in_the_cell(i: int, h: int, p: int) -> None:
    counts = count(shapes("lstm", i, h, projection=p), precision="int8")
    got, macs = counts.total, 4 * h * (i + p) + p * h
    assert (got.macs, got.muls, got.adds) == (
        *(macs, macs + 3 * h, 4 * h * (i + p) + h + p * (h - 1)),
    )
    assert got.requantizations == 26 * h + 2 * p  # composed: 5 adds, and h is stored narrower
    assert counts.parameters == 4 * h * (i + p) + 8 * h + p * h
    layer = counts.layers[0]
    assert (layer.cell.macs, layer.cell.weight_bytes, layer.cell.bias_bytes) == (p * h, p * h, 0)
    assert layer.hidden_size == h
    assert [gate.state_read_bytes for gate in layer.gates] == [p] * 4
    assert layer.total.state_write_bytes == p + 2 * h  # int8 h, int16 c


def test_peephole_counts_in_its_gate() -> None:
    gates = {g.name: g for g in count(shapes("lstm_peephole", 40, 64)).layers[0].gates}
    for name, gate in gates.items():
        peephole = 0 if name == "g" else 64
        assert gate.muls - gate.macs == peephole
        assert gate.weight_bytes == 6656 + 2 * peephole  # int16 beside int8
        reads_old_c = (
            2 * 64 if name in "if" else 0
        )  # int16; the new one, which o reads, is no state
        assert gate.state_read_bytes == 64 + reads_old_c


def test_a_plain_rnn_writes_its_output_as_int8() -> None:
    assert count(shapes("rnn", 3, 5)).total.state_write_bytes == 5


@pytest.mark.parametrize(("cell_name", "precision"), EVERY)
def test_columns_add_up(cell_name: str, precision: str) -> None:
    layers = (
        recurrent(cell_name, 7, 33),
        recurrent(cell_name, 33, 5, "second"),
        dense(5, 4, "sigmoid"),
    )
    counts = count(Network(reading(layers, last_step=True)), steps=9, precision=precision)
    for layer in counts.layers:
        assert added([*layer.gates, layer.cell]) == columns(layer.total)
    assert added([layer.total for layer in counts.layers]) == columns(counts.total)
    assert counts.sequence is not None
    assert added([layer.total for layer in counts.sequence.layers]) == columns(
        counts.sequence.total
    )
    assert counts.parameters == Network(reading(layers, last_step=True)).n_parameters


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
    sequence = count(Network(reading(layers, last_step=True)), steps).sequence
    assert sequence is not None
    got = 2 * sequence.total.macs / 1e6
    assert got == pytest.approx(million_operations, rel=0.01)  # printed with two or three digits


def test_head_over_the_last_step_runs_once_in_a_sequence() -> None:
    layers = (recurrent("lstm", 3, 4), dense(4, 5))
    for last_step, times in ((True, 1), (False, 6)):
        sequence = count(Network(reading(layers, last_step=last_step)), steps=6).sequence
        assert sequence is not None
        lstm_counts, head = sequence.layers
        assert (lstm_counts.total.macs, head.total.macs) == (6 * 112, times * 20)


def test_clip_is_not_counted() -> None:
    plain = recurrent("lstm", 3, 4)
    clipped = Recurrent((dataclasses.replace(plain.forward, cell_clip=10.0),))
    assert count(one(clipped)).total == count(one(plain)).total


def test_quantized_network_counts_as_the_float_network_does() -> None:
    quantized, network = golden_lstm(), lstm(2, 2)
    got, expected = count(quantized, steps=4), count(network, steps=4, precision="int8")
    assert got.total == expected.total
    assert got.parameters == expected.parameters
    assert got.precision == "int8"


# Composed: 8 products, 5 adds of three each, 3 products of two values, h stored narrower.
@pytest.mark.parametrize(("form", "expected"), [("fused", 11), ("composed", 8 + 15 + 3 + 1)])
def test_a_quantized_network_counts_in_its_own_form(form: str, expected: int) -> None:
    network = one(recurrent("lstm", 4, 5))
    quantized = quantize(network, np.ones((1, 3, 4), np.float32), "int8", form)
    assert count(quantized).total.requantizations == expected * 5


def test_a_composed_head_counts_that_its_result_is_stored_narrower_and_no_other_dense_layer() -> (
    None
):
    network = Network(
        (dense(4, 6, name="dense1"), recurrent("gru", 6, 5), dense(5, 3, name="dense2"))
    )
    for given in (network, quantize(network, np.ones((1, 3, 4), np.float32))):
        front, _, head = count(given, precision="int8").layers
        assert front.total.requantizations == 6
        assert head.total.requantizations == 3 + 3  # of its sums, and once more to int8


def test_notebooks_show_a_table_of_every_row() -> None:
    counts = count(shapes("lstm", 3, 4, outputs=2))
    text = counts._repr_html_()
    assert text.count("<tr>") == 1 + 6 + 2 + 1  # headings; four gates, cell, total; head; network
    assert f"{counts.total.macs:,}" in text


def test_dictionary_has_the_promised_keys() -> None:
    got = count(lstm(3, 4), steps=2).to_dict()
    assert list(got) == ["precision", "parameters", "layers", "total", "sequence"]
    row = ["name", *COLUMNS]
    layer = got["layers"][0]
    assert list(layer) == [
        *("name", "kind", "cell_name", "input_size", "hidden_size", "gates", "cell", "total"),
        "reverse",
    ]
    assert list(layer["cell"]) == list(layer["gates"][0]) == list(got["total"]) == row
    assert list(got["sequence"]) == ["steps", "layers", "total"]
    assert count(lstm(3, 4)).to_dict()["sequence"] is None


def test_shapes_of_fifty_million_parameters_count_at_once_and_in_little_memory() -> None:
    tracemalloc.start()
    began = time.perf_counter()
    counts = count(shapes("lstm", 790, 790, layers=10), steps=10**9)
    seconds = time.perf_counter() - began
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert counts.parameters == 49_991_200
    assert seconds < 1
    assert peak < 2e6


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
    network = lstm(3, 2)
    assert count(network).parameters == network.n_parameters == 8 * 5 + 16
