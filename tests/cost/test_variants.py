"""Variants: what other cells, sizes and fewer products leave of a step, counted by hand."""

import dataclasses

import pytest

from edgelstm.cost.count_ops import count
from edgelstm.cost.counts import Counts
from edgelstm.cost.cycles import Interval
from edgelstm.cost.energy import estimate
from edgelstm.cost.traffic import constant_bytes
from edgelstm.cost.variants import Situation, changed, middle, projection_size, rebuilt, with_macs
from edgelstm.devices.device import read_device
from edgelstm.layers.dense import Dense
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.network import Network
from edgelstm.model.sizes import shapes
from tests.networks import bidirectional_network

# An LSTM 3 -> 2: 4 * 2 * (3 + 2) = 40 MACs. A head 2 -> 3: 6 MACs.
NETWORK = shapes("lstm", 3, 2, outputs=3)
U575, PI5 = read_device("stm32u575"), read_device("rpi-5")


def halved(counts: Counts) -> Counts:
    return with_macs(counts, lambda layer: layer.total.macs // 2)


@pytest.mark.parametrize(("precision", "one"), [("float32", 4), ("int8", 1), ("hybrid", 1)])
def test_pruning_half_leaves_half_of_the_bytes_of_the_recurrent_weights(
    precision: str, one: int
) -> None:
    before = count(NETWORK, precision=precision)
    after = halved(before)
    lstm, head = after.layers
    assert (lstm.total.macs, lstm.total.weight_bytes) == (20, 20 * one)
    assert head == before.layers[1]
    assert (after.total.macs, after.total.weight_bytes) == (20 + 6, (20 + 6) * one)
    assert after.total.bias_bytes == before.total.bias_bytes
    assert constant_bytes(after) == (20 + 6) * one + (4 * 2 + 3) * 4


# Beside its products an LSTM of 2 units adds once (f c + i g) and multiplies three times a unit.
def test_pruning_takes_one_product_and_one_sum_with_each_mac() -> None:
    after = halved(count(NETWORK))
    lstm = after.layers[0].total
    assert (lstm.muls, lstm.adds) == (20 + 3 * 2, 20 + 2)
    assert (after.total.muls, after.total.adds) == (20 + 3 * 2 + 6, 20 + 2 + 6)
    assert lstm.sigmoids == 3 * 2 and lstm.tanhs == 2 * 2


def test_a_projection_is_found_in_the_counts() -> None:
    lstm, head = count(shapes("lstm", 5, 7, projection=3, outputs=4)).layers
    assert (projection_size(lstm), projection_size(head)) == (3, 0)
    assert projection_size(count(shapes("lstm", 5, 7)).layers[0]) == 0


def sizes(network: Network) -> list[tuple[int, ...]]:
    return [
        (x.input_size, x.forward.hidden_size, x.output_size)
        if isinstance(x, Recurrent)
        else (x.input_size, x.output_size)
        for x in network.layers
    ]


def test_other_cells_and_projections_keep_all_other_sizes() -> None:
    counts = count(shapes("lstm", 5, 8, layers=2, outputs=4))
    same, gru = rebuilt(counts), rebuilt(counts, {"lstm": "gru"})
    assert sizes(same) == sizes(gru) == [(5, 8, 8), (8, 8, 8), (8, 4)]
    assert [x.cell_name for x in gru.layers if isinstance(x, Recurrent)] == ["gru", "gru"]
    assert not same.last_step
    projected = rebuilt(counts, projection=lambda layer: layer.hidden_size // 4)
    assert sizes(projected) == [(5, 8, 2), (2, 8, 2), (2, 4)]
    other = rebuilt(count(shapes("gru", 5, 8)), {"lstm": "gru"}, lambda layer: 2)
    assert sizes(other) == [(5, 8, 8)]


@pytest.mark.parametrize("activation", [None, "sigmoid"])
def test_a_head_keeps_its_activation_and_a_layer_its_directions(activation: str | None) -> None:
    network = bidirectional_network("lstm", (5, 6), outputs=3, activation=activation)
    both, head = rebuilt(count(network)).layers
    assert both.parts[1:] and isinstance(head, Dense)
    assert (both.input_size, both.output_size) == (5, 12)
    assert (head.input_size, head.output_size, head.activation) == (12, 3, activation)


def test_a_layer_that_is_only_called_like_a_reverse_direction_keeps_its_place() -> None:
    first, second = shapes("lstm", 3, 2).layers[0], shapes("lstm", 2, 2).layers[0]
    assert isinstance(second, Recurrent)
    named = dataclasses.replace(second.forward, name="lstm1_reverse")
    got = rebuilt(count(Network((first, Recurrent((named,))))))
    assert [(layer.input_size, len(layer.parts)) for layer in got.layers] == [(3, 1), (2, 1)]


def situation(counts: Counts, device: str = "stm32u575") -> Situation:
    chosen = read_device(device)
    return Situation(counts, estimate(counts, chosen), chosen)


def test_what_changes_is_said_with_both_numbers_and_what_stays_is_not() -> None:
    counts = count(NETWORK, precision="int8")
    got = changed(situation(counts), "pruning", halved(counts), "FOUND", "a test", text="ideal: ")
    # 46 weights and 11 biases of 4 bytes, then 20 weights fewer.
    assert got.effect.startswith(
        "ideal: 26 instead of 46 MACs (-43 %), 70 instead of 90 B of parameters read (-22 %), "
    )
    assert got.effect.count(" uJ (") == 1
    assert (got.macs, got.parameter_bytes, got.mark, got.source) == (26, 70, "FOUND", "a test")
    after = estimate(halved(counts), U575).energy_uj
    assert after is not None and got.energy_uj == after.typical
    same = changed(situation(counts), "nothing", counts, "FOUND", "a test")
    assert "MACs" not in same.effect and "parameters" not in same.effect


def test_energy_that_is_not_known_is_left_out() -> None:
    counts = count(NETWORK, precision="int8")
    got = changed(situation(counts, "stm32f429"), "pruning", halved(counts), "FOUND", "a test")
    assert got.energy_uj is None and "uJ" not in got.effect
    assert got.effect.endswith("B of parameters read (-22 %)")


def test_a_situation_is_estimated_again_as_it_was() -> None:
    counts = count(shapes("lstm", 40, 64), precision="int8")
    now = dataclasses.replace(situation(counts), kernels="edgelstm", clock_mhz=80.0)
    assert now.again(counts) == estimate(counts, U575, "edgelstm", 80.0)
    assert now.again(counts, "cmsis-nn") == estimate(counts, U575, "cmsis-nn", 80.0)
    board = dataclasses.replace(situation(counts, "rpi-5"), cores=4)
    assert board.again(counts) == estimate(counts, PI5, cores=4) != estimate(counts, PI5)
    assert situation(counts).again(counts) == estimate(counts, U575)
    assert now.has_file(NETWORK, "int8")


def test_the_middle_is_the_typical_value_or_the_upper_end() -> None:
    assert middle(Interval(1.0, 2.0, 4.0)) == 2.0
    assert middle(Interval(1.0, None, 4.0)) == 4.0
    assert middle(Interval(-1.0, 0.0, 4.0)) == 0.0
