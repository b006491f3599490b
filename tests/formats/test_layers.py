"""Networks that a graph gives at several sizes are one only if their layers compute the same."""

import dataclasses

from edgelstm.formats.following.layers import equal
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.network import Network
from tests.networks import bidirectional_network, random_network


def test_other_cells_and_directions_are_other_networks() -> None:
    network = random_network("gru", (3, 5))
    (gru,) = network.layers
    assert isinstance(gru, Recurrent)
    other = Recurrent((dataclasses.replace(gru.forward, cell_name="gru_reset_before"),))
    assert equal(network, Network((gru,)))
    assert not equal(network, Network((other,)))
    both = bidirectional_network("gru", (3, 5))
    (layer,) = both.layers
    assert isinstance(layer, Recurrent)
    one = Network((Recurrent((layer.forward,)),))
    assert not equal(both, one)
    assert not equal(one, both)
