"""Both directions of a recurrent layer, from float weights to results: against torch."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from edgelstm.cells import CELLS
from edgelstm.errors import ModelError
from edgelstm.execution.session import Session, run
from edgelstm.layers.dense import Dense
from edgelstm.layers.read_steps import reading
from edgelstm.layers.recurrent import Direction, Recurrent
from edgelstm.model.forward import forward
from edgelstm.model.network import Layer, Network
from tests.networks import bidirectional_network, random_direction, random_input, random_recurrent
from tests.parameters import compiled

TOLERANCE = 2e-6  # float32 sums in another order, activations within 2e-7
MODULES = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
CASES = [(hidden, n, steps) for hidden in (1, 3, 16, 33) for n, steps in ((1, 1), (1, 7), (3, 7))]


def module(cell_name: str, input_size: int, hidden_size: int, layers: int = 1) -> Any:
    torch.manual_seed(hidden_size)
    return MODULES[cell_name](
        input_size, hidden_size, layers, batch_first=True, bidirectional=True
    ).eval()


def layers_of(recurrent: Any, cell_name: str) -> list[Layer]:
    """What a torch module holds, by the names of its own parameters."""
    held = {name: p.detach().numpy().copy() for name, p in recurrent.named_parameters()}
    layers: list[Layer] = []
    for k in range(recurrent.num_layers):
        directions = [
            Direction(
                f"{cell_name}{k + 1}{suffix}",
                cell_name,
                *(
                    held[f"{name}_l{k}{suffix}"]
                    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
                ),
            )
            for suffix in ("", "_reverse")
        ]
        layers.append(Recurrent(tuple(directions)))
    return layers


def computed(part: Any, x: np.ndarray) -> Any:
    with torch.no_grad():
        return part(torch.from_numpy(x))[0].numpy()


@pytest.mark.parametrize(("hidden_size", "n", "steps"), CASES)
@pytest.mark.parametrize("cell_name", MODULES)
def test_a_layer_matches_torch(cell_name: str, hidden_size: int, n: int, steps: int) -> None:
    recurrent = module(cell_name, 5, hidden_size)
    network = Network(tuple(layers_of(recurrent, cell_name)))
    x = random_input(network, n, steps)
    expected = computed(recurrent, x)
    for engine in ("numba", "reference"):
        got = run(network, x, engine=engine)
        assert got.shape == (n, steps, 2 * hidden_size) and got.dtype == np.float32
        assert np.abs(got - expected).max() < TOLERANCE


@pytest.mark.parametrize("last_step", [False, True])
@pytest.mark.parametrize("cell_name", MODULES)
def test_a_stack_with_a_head_matches_torch(cell_name: str, last_step: bool) -> None:
    recurrent, head = module(cell_name, 6, 9, layers=2), nn.Linear(18, 4)
    dense = Dense("dense1", head.weight.detach().numpy(), head.bias.detach().numpy())
    network = Network(reading((*layers_of(recurrent, cell_name), dense), last_step=last_step))
    x = random_input(network, 3, 11)
    with torch.no_grad():
        out = recurrent(torch.from_numpy(x))[0]
        expected = head(out[:, -1] if last_step else out).numpy()
    for engine in ("numba", "reference"):
        assert np.abs(run(network, x, engine=engine) - expected).max() < TOLERANCE


def test_the_last_step_holds_the_first_result_of_the_reverse_direction() -> None:
    recurrent = module("lstm", 4, 3)
    network = Network(reading(tuple(layers_of(recurrent, "lstm")), last_step=True))
    x = random_input(network, 2, 9)
    expected = computed(recurrent, x)[:, -1]
    got = run(network, x)
    assert np.abs(got - expected).max() < TOLERANCE
    alone = computed(recurrent, x[:, -1:])[:, 0]  # the reverse direction has read one step there
    assert np.abs(got[:, 3:] - alone[:, 3:]).max() < TOLERANCE


@pytest.mark.parametrize("cell_name", compiled(CELLS))
def test_every_cell_runs_in_both_directions(cell_name: str) -> None:
    network = bidirectional_network(cell_name, (4, 5, 6), outputs=3, activation="relu")
    x = random_input(network, 3, 8)
    assert np.abs(run(network, x, engine="numba") - forward(network, x)).max() < 1e-5


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("engine", ["numba", "reference"])
def test_a_projection_makes_both_outputs_smaller(engine: str) -> None:
    rng = np.random.default_rng(0)
    both = (
        random_direction("lstm", 5, 8, rng, name=name, projection=3)
        for name in ("lstm1", "lstm1_reverse")
    )
    layer = Recurrent(tuple(both))
    network = Network((layer,))
    torch_layer = nn.LSTM(5, 8, proj_size=3, batch_first=True, bidirectional=True)
    with torch.no_grad():
        for name, parameter in torch_layer.named_parameters():
            kind, _, suffix = name.partition("_l0")
            parameter.copy_(torch.from_numpy(layer.arrays[kind + suffix]))
    x = random_input(network, 2, 6)
    got = run(network, x, engine=engine)
    assert got.shape == (2, 6, 6)
    assert np.abs(got - computed(torch_layer, x)).max() < TOLERANCE


def test_one_direction_may_stand_before_and_behind_both() -> None:
    inner = bidirectional_network("gru", (8, 5)).layers
    rng = np.random.default_rng(0)
    first = random_recurrent("lstm", 4, 8, rng, name="lstm1")
    last = random_recurrent("lstm", 10, 6, rng, name="lstm2")
    network = Network(reading((first, *inner, last), last_step=True))
    x = random_input(network, 2, 5)
    assert np.abs(run(network, x) - forward(network, x)).max() < TOLERANCE


def test_a_large_batch_is_shared_between_threads() -> None:
    network = bidirectional_network("lstm", (40, 64))
    x = random_input(network, 8, 50)
    expected = np.stack([run(network, one) for one in x])
    assert np.array_equal(run(network, x), expected)


@pytest.mark.parametrize("engine", ["numba", "reference"])
def test_an_empty_sequence_has_an_empty_result(engine: str) -> None:
    network = bidirectional_network("lstm", (5, 4, 3))
    assert run(network, np.empty((0, 5), np.float32), engine=engine).shape == (0, 6)
    assert run(network, np.empty((2, 0, 5), np.float32), engine=engine).shape == (2, 0, 6)


@pytest.mark.parametrize("engine", ["numba", "reference"])
@pytest.mark.parametrize("batch", [None, 2])
def test_a_session_goes_on_forward_and_begins_anew_backward(engine: str, batch: int | None) -> None:
    network = bidirectional_network("lstm", (4, 6))
    session = Session(network, batch, engine=engine)
    x = random_input(network, 2, 10)
    x = x[0] if batch is None else x
    halves = [session.run(x[..., :4, :]), session.run(x[..., 4:, :])]
    got = np.concatenate(halves, -2)
    assert np.abs(got[..., :6] - run(network, x)[..., :6]).max() < TOLERANCE
    assert np.abs(halves[1][..., 6:] - run(network, x[..., 4:, :])[..., 6:]).max() < TOLERANCE
    session.reset()
    assert np.array_equal(session.run(x[..., :4, :]), halves[0])


@pytest.mark.parametrize("engine", ["numba", "reference"])
def test_the_state_is_that_of_the_forward_direction(engine: str) -> None:
    network = bidirectional_network("gru", (4, 6))
    session = Session(network, engine=engine)
    y = session.run(random_input(network, 1, 5)[0])
    assert list(session.state) == ["gru1"] and list(session.state["gru1"]) == ["h"]
    assert np.array_equal(session.state["gru1"]["h"].astype(np.float32), y[-1, :6])
    again = Session(network, engine=engine)
    again.state = session.state
    x = random_input(network, 1, 3, seed=5)[0]
    assert np.array_equal(again.run(x), session.run(x))


@pytest.mark.parametrize("engine", ["numba", "reference"])
@pytest.mark.parametrize("batch", [None, 2])
def test_a_single_step_is_refused(engine: str, batch: int | None) -> None:
    session = Session(bidirectional_network("lstm", (4, 6)), batch, engine=engine)
    shape = (4,) if batch is None else (batch, 4)
    for kind in (np.float32, np.float64):
        with pytest.raises(ModelError, match="layer 'lstm1' is bidirectional.*whole sequences"):
            session.step(np.zeros(shape, kind))


def test_directions_of_one_layer_fit_each_other() -> None:
    rng = np.random.default_rng(0)
    there = random_direction("lstm", 4, 6, rng, name="lstm1")
    back = dataclasses.replace(there, name="lstm1_reverse")
    wrong = {
        "is called 'lstm2'": dataclasses.replace(there, name="lstm2"),
        "lstm 4 -> 6 -> 6, clip 0, tanh and lstm 4 -> 5 -> 5": random_direction(
            "lstm", 4, 5, rng, name="lstm1_reverse"
        ),
        "and gru 4 -> 6": random_direction("gru", 4, 6, rng, name="lstm1_reverse"),
        "clip 0, tanh and .*clip 2": dataclasses.replace(back, cell_clip=2.0),
    }
    for message, layer in wrong.items():
        with pytest.raises(ModelError, match=message):
            Recurrent((there, layer))
    with pytest.raises(ModelError, match="lstm1_reverse, lstm1_reverse"):
        Network((Recurrent((there, back)), random_recurrent("lstm", 12, 3, rng, name=back.name)))


def test_a_layer_behind_takes_both_outputs() -> None:
    layers = bidirectional_network("lstm", (4, 6)).layers
    behind = random_recurrent("lstm", 6, 3, np.random.default_rng(0), name="lstm2")
    with pytest.raises(ModelError, match="takes 6 values, but 'lstm1' before it gives 12"):
        Network((*layers, behind))


def test_weights_have_the_names_of_torch() -> None:
    network = bidirectional_network("lstm", (4, 6))
    expected = [name.replace("_l0", "") for name, _ in module("lstm", 4, 6).named_parameters()]
    assert list(network.layers[0].arrays) == expected
    assert network.n_parameters == sum(p.numel() for p in module("lstm", 4, 6).parameters())
