"""Variants: what fewer products leave of a step, counted by hand."""

import pytest

from edgelstm.cost.count_ops import count
from edgelstm.cost.counts import Counts
from edgelstm.cost.traffic import constant_bytes
from edgelstm.cost.variants import with_macs
from edgelstm.model.sizes import shapes

# An LSTM 3 -> 2: 4 * 2 * (3 + 2) = 40 MACs. A head 2 -> 3: 6 MACs.
NETWORK = shapes("lstm", 3, 2, outputs=3)


def halved(counts: Counts) -> Counts:
    return with_macs(counts, lambda layer: layer.total.macs // 2)


@pytest.mark.parametrize(("precision", "one", "bias"), [("float32", 4, 4), ("int8", 1, 4)])
def test_pruning_half_leaves_half_of_the_bytes_of_the_recurrent_weights(
    precision: str, one: int, bias: int
) -> None:
    before = count(NETWORK, precision=precision)
    after = halved(before)
    lstm, head = after.layers
    assert (lstm.total.macs, lstm.total.weight_bytes) == (20, 20 * one)
    assert head == before.layers[1]
    assert (after.total.macs, after.total.weight_bytes) == (20 + 6, (20 + 6) * one)
    assert after.total.bias_bytes == before.total.bias_bytes
    assert constant_bytes(after) == (20 + 6) * one + (4 * 2 + 3) * bias
