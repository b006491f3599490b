"""A matrix in front of the first recurrent layer is an embedding, whatever its name, or a head."""

from collections.abc import Callable
from pathlib import Path

import pytest
from torch import nn

from edgelstm.errors import ModelError
from edgelstm.formats import read
from edgelstm.formats.asked import Asked
from edgelstm.formats.state_dict import to_network
from edgelstm.layers.directions import parts
from tests.formats.test_ordering import save_checkpoint, save_pt, save_safetensors
from tests.formats.test_state_dict import Tensors, dense, recurrent, weights


class Words(nn.Module):
    def __init__(self, name: str, hidden_size: int) -> None:
        super().__init__()
        self.add_module(name, nn.Embedding(50, 8))
        self.rnn = nn.GRU(8, hidden_size, batch_first=True)


@pytest.mark.parametrize("hidden_size", [8, 5])
@pytest.mark.parametrize("save", [save_pt, save_checkpoint, save_safetensors])
@pytest.mark.parametrize("name", ["lookup", "encoder", "token_embed"])
def test_an_embedding_is_refused_whatever_its_name(
    name: str, save: Callable[[nn.Module, Path], Path], hidden_size: int, tmp_path: Path
) -> None:
    with pytest.raises(ModelError) as caught:
        read(save(Words(name, hidden_size), tmp_path))
    assert f"{name}.weight' looks like an embedding (50 rows of 8)" in str(caught.value)
    assert "as in --order " in str(caught.value)


def without_bias(prefix: str, input_size: int, output_size: int) -> Tensors:
    return {f"{prefix}weight": weights(output_size, input_size)}


RNN = recurrent("rnn.", 4, 4)


def test_an_order_makes_it_a_dense_layer_behind_or_in_front() -> None:
    tensors = {**without_bias("proj.", 4, 4), **RNN}
    for order, last_step in ((("rnn", "proj"), True), (("proj", "rnn"), False)):
        got = to_network(tensors, "net.npz", Asked(order=order))
        assert got.last_step is last_step
        assert [layer.name for layer in parts(got.layers)][order.index("proj")] == "dense1"


@pytest.mark.parametrize(
    "tensors, is_defined",
    [
        ({**RNN, **without_bias("proj.", 4, 9)}, True),  # stands behind in the file
        ({**without_bias("fc.", 4, 9), **RNN}, True),  # called a head
        ({**without_bias("head.out.", 4, 9), **RNN}, False),
        ({**dense("proj.", 4, 9), **RNN}, True),  # has a bias
        ({**without_bias("proj.", 6, 9), **recurrent("rnn.", 4, 6)}, True),  # of another width
        (
            {**without_bias("z.", 6, 9), **recurrent("a.", 4, 6), **recurrent("b.", 6, 6)},
            False,  # the input of the second layer alone
        ),
    ],
)
def test_a_head_without_a_bias_stays_a_head(tensors: Tensors, is_defined: bool) -> None:
    got = to_network(tensors, "net.pt", is_defined=is_defined)
    assert got.last_step and got.output_size == 9 and got.layers[-1].name == "dense1"
