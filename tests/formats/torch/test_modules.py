"""PyTorch's own modules with something beside their type: PyTorch's results, or a refusal."""

import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgelstm.errors import ModelError
from edgelstm.formats.torch.read import from_torch
from edgelstm.model.forward import forward
from tests.torch_modules import HIDDEN, INPUTS, Net, nn, torch

prune = pytest.importorskip("torch.nn.utils.prune")


def lstm(**options: Any) -> Any:
    torch.manual_seed(3)
    return nn.LSTM(INPUTS, HIDDEN, batch_first=True, **options)


def changed(module: Any, change: Callable[[Any], Any]) -> Any:
    change(module)
    return module


def one_bias(module: Any) -> None:
    module.bias_hh_l0 = module.bias_ih_l0


def as_buffer(module: Any, *names: str) -> None:
    for name in names:
        values = 3 * getattr(module, name).detach()
        delattr(module, name)
        module.register_buffer(name, values)


def behind_forward(module: Any) -> None:
    module._parameters["weight_hh_l0"] = nn.Parameter(torch.ones(4 * HIDDEN, HIDDEN))


class Scaled(nn.Module):  # type: ignore[misc]
    """A parametrization."""

    def forward(self, weight: Any) -> Any:
        return 2 * weight


def parametrized(module: Any, name: str) -> None:
    nn.utils.parametrize.register_parametrization(module, name, Scaled())


RIGHT: dict[str, Callable[[], Any]] = {
    "pruned bias": lambda: changed(lstm(), lambda m: prune.l1_unstructured(m, "bias_hh_l0", 0.5)),
    "pruned weight of a reverse direction": lambda: changed(
        lstm(bidirectional=True),
        lambda m: prune.l1_unstructured(m, "weight_hh_l0_reverse", 0.5),
    ),
    "one Parameter for both biases": lambda: changed(lstm(), one_bias),
    "bias as a buffer": lambda: changed(lstm(), lambda m: as_buffer(m, "bias_hh_l0")),
    "weight assigned past the module": lambda: changed(lstm(), behind_forward),
    "weight_norm": lambda: nn.utils.parametrizations.weight_norm(lstm(), "weight_ih_l0"),
    "parametrized bias": lambda: changed(lstm(), lambda m: parametrized(m, "bias_ih_l0")),
    "a hook that looks": lambda: changed(
        lstm(), lambda m: m.register_forward_hook(lambda *_: None)
    ),
    "dropout while training": lambda: lstm(num_layers=2, dropout=0.5).train(),
    "Linear with buffers alone": lambda: nn.Sequential(
        changed(nn.Linear(INPUTS, 3), lambda m: as_buffer(m, "weight", "bias"))
    ),
    "Linear parametrized": lambda: nn.Sequential(
        changed(nn.Linear(INPUTS, 3), lambda m: parametrized(m, "bias")), nn.ReLU()
    ),
}


@pytest.mark.parametrize("make", RIGHT.values(), ids=RIGHT)
def test_values_are_those_that_the_module_computes_with(make: Callable[[], Any]) -> None:
    module = make()
    got = from_torch(module)
    x = np.random.default_rng(1).normal(size=(3, 20, INPUTS)).astype(np.float32)
    with torch.no_grad():
        y = module.eval()(torch.from_numpy(x))
    expected = (y[0] if isinstance(y, tuple) else y).numpy()
    np.testing.assert_allclose(forward(got, x), expected, atol=1e-5)  # float32 sums of 20 steps


def test_a_module_is_left_as_it_was() -> None:
    module = changed(lstm(), lambda m: prune.l1_unstructured(m, "weight_hh_l0", 0.5)).train()
    before = dict(vars(module)), list(module._flat_weights)
    from_torch(module)
    assert dict(vars(module)) == before[0]
    assert all(a is b for a, b in zip(module._flat_weights, before[1], strict=True))


COMPUTED: dict[str, Callable[[Any], Any]] = {
    "hook": lambda m: m.register_forward_hook(lambda module, args, out: 2 * out),
    "pre-hook": lambda m: m.register_forward_pre_hook(lambda module, args: (args[0] + 1,)),
    "hook with kwargs": lambda m: m.register_forward_pre_hook(
        lambda module, args, kwargs: ((3 * args[0],), kwargs), with_kwargs=True
    ),
}
WITHOUT_LAYERS: dict[str, Callable[[Any], Any]] = {
    "forward": lambda m: setattr(m, "forward", types.MethodType(lambda self, x: x + 1, m)),
    "_call_impl": lambda m: setattr(m, "_call_impl", lambda x: x + 1),
}


def beside(change: Callable[[Any], Any], inside: bool) -> Any:
    module = nn.Sequential(nn.Linear(INPUTS, INPUTS))
    change(module[0] if inside else module)
    return module


@pytest.mark.parametrize("change", COMPUTED.values(), ids=COMPUTED)
@pytest.mark.parametrize("inside", [True, False])
def test_what_a_module_does_beside_its_type_is_computed(
    change: Callable[[Any], Any], inside: bool
) -> None:
    module = beside(change, inside)
    x = np.random.default_rng(1).normal(size=(3, INPUTS)).astype(np.float32)
    with torch.no_grad():
        expected = module(torch.from_numpy(x)).numpy()
    got = forward(from_torch(module), x)
    np.testing.assert_allclose(got, expected, atol=1e-5)  # float32 sums


@pytest.mark.parametrize("change", WITHOUT_LAYERS.values(), ids=WITHOUT_LAYERS)
@pytest.mark.parametrize("inside", [True, False])
def test_what_a_module_does_in_place_of_its_layers_is_refused(
    change: Callable[[Any], Any], inside: bool
) -> None:
    with pytest.raises(ModelError, match="the output is scaled and shifted; .* needs a dense"):
        from_torch(beside(change, inside))


def test_a_sparse_weight_is_refused() -> None:
    module = nn.Linear(INPUTS, 3)
    module.weight = nn.Parameter(module.weight.detach().to_sparse())
    with pytest.raises(ModelError, match="Linear: "):
        from_torch(module)


def test_a_list_of_weights_that_is_not_the_modules_is_refused() -> None:
    module = Net()
    module.rnn._flat_weights[1] = torch.ones(4 * HIDDEN, HIDDEN)
    with pytest.raises(ModelError, match="module 'rnn' computes with _flat_weights that are not"):
        from_torch(module)


BOUNDED: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "first steps": (lambda net, x: net.rnn(x[:, :9])[0], "keeps 9 of 1009 entries of axis 1"),
    "last steps": (lambda net, x: net.rnn(x)[0][:, -30:], "keeps 30 of 1009 entries of axis 1"),
    "far bound": (lambda net, x: net.rnn(x[:, :3000])[0], "keeps 3000 of 3001 entries"),
    "sequences": (lambda net, x: net.rnn(x[:8])[0], "keeps 8 of 211 entries of axis 0"),
    "every second": (
        lambda net, x: net.rnn(x[:, ::2] if x.size(1) > 5000 else x)[0],
        "keeps 2501 of 5001 entries",
    ),
    "one length": (lambda net, x: net.rnn(x[:, 1:] if x.size(1) == 23 else x)[0], "22 of 23"),
    "multiples": (lambda net, x: net.rnn(x[:, 1:] if x.size(1) % 40 == 0 else x)[0], "39 of 40"),
}


@pytest.mark.parametrize("head, said", BOUNDED.values(), ids=BOUNDED)
def test_what_acts_on_some_sizes_alone_is_refused(
    head: Callable[[Any, Any], Any], said: str
) -> None:
    with pytest.raises(ModelError, match=said):
        from_torch(Net(head))


def zeros_by_len(net: Any, x: Any) -> Any:
    state = torch.zeros(1, len(x), HIDDEN)
    return net.fc(net.rnn(x, (state, state))[0])


SAID: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "at least": (
        lambda net, x: (torch._check(x.size(1) >= 4), net.rnn(x)[0])[1],
        "its code depends on sizes (L['x'].size()[1] >= 4)",
    ),
    "plain numbers": (zeros_by_len, "its code depends on sizes ("),
    "one step": (
        lambda net, x: net.rnn(2 * x if x.size(1) == 1 else x)[0],
        "what the module does with one sequence of one step is not what it does with more",
    ),
    "steps first": (lambda net, x: net.rnn(x)[0], "axis 0 of the model's input is the steps"),
}


@pytest.mark.parametrize("name", SAID)
def test_what_depends_on_sizes_is_said(name: str) -> None:
    head, said = SAID[name]
    got = from_torch(Net(head, batch_first=name != "steps first"))
    assert any(sentence.startswith(said) for sentence in got.assumed), got.assumed


def test_a_bare_layer_that_takes_steps_first_says_so() -> None:
    (said,) = from_torch(nn.LSTM(INPUTS, HIDDEN)).assumed
    assert said.startswith("axis 0 of the model's input is the steps")
    assert from_torch(nn.LSTM(INPUTS, HIDDEN, batch_first=True)).assumed == ()


def test_states_of_another_shape_are_refused() -> None:
    def head(net: Any, x: Any) -> Any:
        state = torch.zeros(1, x.size(0) + 1, HIDDEN)
        return torch.lstm(
            x, (state, state), net.rnn._flat_weights, True, 1, 0.0, False, False, True
        )[0]

    with pytest.raises(ModelError, match=r"states of shape \(1, 3, 8\); \(1, 2, 8\) is needed"):
        from_torch(Net(head))
