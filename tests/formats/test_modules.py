"""Modules as people write them: PyTorch's own values, or an error that names the operator."""

import warnings
from typing import Any

import numpy as np
import pytest

from edgelstm.errors import ModelError
from edgelstm.execution.session import Session, run
from edgelstm.formats.torch.read import from_torch
from edgelstm.model.forward import forward
from edgelstm.model.network import Network
from tests.modules import (
    HIDDEN,
    INPUTS,
    MODULES,
    STEPS,
    Module,
    WithState,
    WithStates,
    gru,
    head,
    inputs,
    lstm,
    made,
    torch,
)

READ = [name for name, written in MODULES.items() if written.refused is None]
REFUSED = [name for name, written in MODULES.items() if written.refused]


def expected_of(name: str, module: Any, given: tuple[Any, ...]) -> Any:
    """PyTorch's own result, batch first, several outputs side by side."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # projections are slower in torch
        y = module(*given)
    if MODULES[name].states:
        y = y[0]
    y = torch.cat(y, -1) if isinstance(y, tuple) else y
    return y.numpy()


@pytest.mark.parametrize("name", READ)
def test_a_module_is_read_as_it_computes(name: str) -> None:
    module = made(name)
    network = from_torch(module)
    for batch, steps in ((1, 2), (3, 7), (2, 30)):
        given = inputs(name, batch, steps)
        expected = expected_of(name, module, given)
        x = given[0].numpy()
        x = x.swapaxes(0, 1) if MODULES[name].time_major else x
        assert forward(network, x).shape == expected.shape
        # float32 sums of up to 30 steps in PyTorch
        np.testing.assert_allclose(forward(network, x), expected, atol=1e-5)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_read_is_refused_by_name(name: str) -> None:
    with pytest.raises(ModelError, match=MODULES[name].refused):
        from_torch(made(name))


def test_so_many_of_the_42_are_read() -> None:
    assert (len(MODULES), len(READ)) == (42, 33)


def test_a_module_with_states_is_a_session_of_its_network() -> None:
    module = made("states in and out")
    network = from_torch(module)
    assert any("'h' and 'c' is the state of 1 lstm" in said for said in network.assumed)
    session = Session(network)
    h = c = torch.zeros(1, 1, HIDDEN)
    xs = torch.randn(1000, 1, 1, INPUTS)
    with torch.no_grad():
        for x in xs:
            y, h, c = module(x, h, c)
            got = session.step(x[0, 0].numpy())
    np.testing.assert_allclose(got, y[0, 0].numpy(), atol=1e-5)  # float32, of 1,000 steps


def stacked(net: Any, x: Any, state: Any) -> Any:
    y, (h, c) = net.rnn(x, (state[0], state[1]))
    return net.fc(y), torch.stack((h, c))


def paired(net: Any, x: Any, state: Any) -> Any:
    y, state = net.rnn(x, state)
    return net.fc(y), state


@pytest.mark.parametrize("call", [stacked, paired])
def test_states_may_lie_in_one_tensor_or_in_a_tuple(call: Any) -> None:
    module = WithState(call, rnn=lstm(layers=2), fc=head())
    network = from_torch(module)
    assert any("is the state of 2 lstms" in said for said in network.assumed)
    x = np.random.default_rng(0).normal(size=(2, 9, INPUTS)).astype(np.float32)
    zeros = torch.zeros(2, 2, HIDDEN)
    given = torch.stack((zeros, zeros)) if call is stacked else (zeros, zeros)
    with torch.no_grad():
        expected = module(torch.from_numpy(x), given)[0].numpy()
    np.testing.assert_allclose(forward(network, x), expected, atol=1e-5)
    again = from_torch(module, example=(torch.from_numpy(x), given))
    np.testing.assert_array_equal(forward(again, x), forward(network, x))


SUMS = {
    "each step": lambda y, h: y[..., :HIDDEN] + y[..., HIDDEN:],
    "last step": lambda y, h: (y[..., HIDDEN:] + y[..., :HIDDEN])[:, -1],
    "final states": lambda y, h: h[0] + h[1],
}


@pytest.mark.parametrize("take", SUMS.values(), ids=SUMS)
def test_directions_may_be_added(take: Any) -> None:
    net = Module(lambda net, x: net.fc(take(*net.rnn(x))), rnn=gru(bidirectional=True), fc=head())
    network, x = from_torch(net), torch.randn(3, 6, INPUTS)
    with torch.no_grad():
        expected = net(x).numpy()
    np.testing.assert_allclose(forward(network, x.numpy()), expected, atol=1e-5)
    with pytest.raises(ModelError, match="adds two directions, which a dense or recurrent layer"):
        from_torch(Module(lambda net, x: take(*net.rnn(x)), rnn=gru(bidirectional=True)))


def test_a_state_that_is_computed_with_is_refused() -> None:
    def doubled(net: Any, x: Any, h: Any, c: Any) -> Any:
        return net.rnn(x, (2 * h, c))[0]

    with pytest.raises(ModelError, match="computes with the input 'h'"):
        from_torch(WithStates(doubled, rnn=lstm(), fc=head()))


def test_an_example_says_which_axes_there_are() -> None:
    module = Module(
        lambda net, x: net.fc(net.rnn(x.unsqueeze(-1))[0][:, -1]), rnn=lstm(1), fc=head()
    )
    with pytest.raises(ModelError, match=r"example=torch.zeros\(2, 5\)"):
        from_torch(module)
    x = np.random.default_rng(0).normal(size=(3, 9)).astype(np.float32)
    network = from_torch(module, example=x)
    with torch.no_grad():
        expected = module(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(forward(network, x[..., None]), expected, atol=1e-5)


def test_flatten_holds_its_number_of_steps() -> None:
    network = from_torch(made("flatten"))
    assert network.steps == STEPS
    with pytest.raises(ModelError, match="x has 5 steps; this network reads all of them"):
        run(network, np.zeros((5, INPUTS), np.float32))


def test_indices_outside_of_the_table_are_refused() -> None:
    network = from_torch(made("embedding, GRU"))
    assert network.indices
    for x in (np.array([1, 10]), np.array([-1])):
        with pytest.raises(ModelError, match="holds the index"):
            run(network, x)
    with pytest.raises(ModelError, match="takes indices, as int32 or int64"):
        run(network, np.zeros(3, np.float32))
    session = Session(network)
    got = [session.step(np.array(index)) for index in (3, 4)][-1]
    np.testing.assert_array_equal(got, run(network, np.array([3, 4])))


def test_an_input_is_normalised_before_the_first_layer() -> None:
    module = made("(x - mean)/std")
    network: Network = from_torch(module)
    assert network.input_mean is not None and network.input_std is not None
    np.testing.assert_array_equal(network.input_mean, module.mean.numpy())
    np.testing.assert_array_equal(network.input_std, module.std.numpy())


@pytest.mark.parametrize(
    "example, said",
    [
        (np.zeros((2, 3, 4, 5)), "example has shape"),
        ("text", "example is of type"),
        (np.zeros((0, 3, 4)), "example has shape"),
    ],
)
def test_an_example_of_another_kind_is_refused(example: Any, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        from_torch(made("last step"), example=example)
