"""Networks from sizes alone: what they are, and sizes that are none."""

from typing import Any

import numpy as np
import pytest

from edgelstm.cells import CELLS
from edgelstm.errors import ModelError
from edgelstm.layers.dense import Dense
from edgelstm.layers.read_steps import ReadSteps
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.forward import forward
from edgelstm.model.sizes import shapes


@pytest.mark.parametrize("cell_name", CELLS)
def test_shapes_are_those_that_were_asked_for(cell_name: str) -> None:
    projection = 3 if cell_name.startswith("lstm") else None
    network = shapes(cell_name, 5, 7, layers=3, projection=projection, outputs=2)
    *recurrent, read, head = network.layers
    given = projection or 7
    assert [layer.input_size for layer in recurrent] == [5, given, given]
    for layer in recurrent:
        assert isinstance(layer, Recurrent)
        assert (layer.cell_name, layer.forward.hidden_size, layer.output_size) == (
            cell_name,
            7,
            given,
        )
    assert isinstance(read, ReadSteps) and isinstance(head, Dense)
    assert (head.input_size, head.output_size, network.last_step) == (given, 2, True)
    assert forward(network, np.ones((1, 4, 5))).shape == (1, 2)


def test_without_outputs_each_step_is_given() -> None:
    network = shapes("gru", 5, 7)
    assert len(network.layers) == 1
    assert network.last_step is False


@pytest.mark.parametrize(
    ("cell_name", "sizes", "said"),
    [
        ("lstn", {}, "cell 'lstn' is unknown; known: lstm"),
        ("lstm", {"input_size": 0}, "input is 0; a whole number from 1"),
        ("lstm", {"hidden_size": -3}, "hidden is -3"),
        ("lstm", {"hidden_size": 10**9}, "hidden is 1000000000; a whole number from 1 to 65,536"),
        ("lstm", {"hidden_size": 2.5}, "hidden is 2.5"),
        ("lstm", {"hidden_size": True}, "hidden is True"),
        ("lstm", {"layers": 0}, "layers is 0"),
        ("lstm", {"projection": 0}, "projection is 0"),
        ("lstm", {"outputs": -1}, "outputs is -1"),
        ("gru", {"projection": 3}, "a gru has no projection"),
    ],
)
def test_sizes_that_are_none_are_named(cell_name: str, sizes: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        shapes(cell_name, **({"input_size": 4, "hidden_size": 5} | sizes))
