"""Modules whose graph is followed: PyTorch's own results, or the operator that has no place."""

from collections.abc import Callable
from typing import Any

import pytest

from edgelstm.errors import ModelError
from edgelstm.formats.torch.read import from_torch
from edgelstm.layers.dense import Dense
from edgelstm.layers.directions import parts
from tests.torch_modules import (
    HEADS,
    HIDDEN,
    INPUTS,
    OUTPUTS,
    Net,
    assert_computes_the_same,
    assert_same_weights,
    last_of_output,
    last_state,
    nn,
    torch,
    zero_states,
)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize(
    "kind, n_layers, batch_first",
    [("LSTM", 2, True), pytest.param("GRU", 1, False, marks=pytest.mark.slow)],
)
def test_modules_of_every_tutorial_are_followed(
    head: Callable[[Any, Any], Any], kind: str, n_layers: int, batch_first: bool
) -> None:
    module = Net(head, kind, n_layers, batch_first).train()
    module.dropout.eval()
    got = from_torch(module)
    assert module.training and module.rnn.training and not module.dropout.training
    assert got.last_step is (head in (last_of_output, last_state, zero_states))
    assert_same_weights(got, module)
    assert_computes_the_same(got, module, batch_first)


class Bent(nn.Module):  # type: ignore[misc]
    """Ways around: another input axis order, reshapes, an activation in place, one output."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(HIDDEN, 1)
        self.mid = nn.Linear(HIDDEN, HIDDEN, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.enter = nn.Linear(INPUTS, 5)
        self.rnn = nn.LSTM(5, HIDDEN, num_layers=2)
        self.second = nn.GRU(HIDDEN, HIDDEN, bias=False, batch_first=True)
        self.start = torch.zeros(1, 1, HIDDEN)

    def forward(self, x: Any) -> Any:
        batch, steps, _ = x.shape
        x = self.enter(x[:, :, :].detach().reshape(batch * steps, -1)).view(batch, steps, -1)
        out, (h, _) = self.rnn(x.permute(1, 0, 2))
        assert h.shape == (2, batch, HIDDEN)
        out = out.transpose(0, 1).contiguous()
        out, h = self.second(out, self.start.expand(1, batch, HIDDEN).contiguous())
        y = self.mid(h.double().float().view(1, 1, batch, HIDDEN)[-1].squeeze())
        self.relu(y)
        return torch.sigmoid(self.out(torch.flatten(y.unsqueeze(1), 1))).squeeze(1)


def test_reshapes_and_changes_in_place_are_followed() -> None:
    module = Bent()
    got = from_torch(module)
    names = ["dense1", "lstm1", "lstm2", "gru1", "dense2", "dense3"]
    assert [layer.name for layer in parts(got.layers)] == names
    assert [x.activation for x in got.layers if isinstance(x, Dense)] == [None, "relu", "sigmoid"]
    assert got.assumed == ("the single output keeps its axis, which the model squeezes away",)
    wrapped = nn.Sequential(module, nn.Unflatten(0, (-1, 1)))
    assert_computes_the_same(got, wrapped)


class Calls(nn.Module):  # type: ignore[misc]
    """Calls a function with itself and the input."""

    def __init__(self, function: Callable[[Any, Any], Any], **layers: Any) -> None:
        super().__init__()
        self.function = function
        self.lstm = nn.LSTM(INPUTS, HIDDEN, 2, batch_first=True)
        self.fc = nn.Linear(HIDDEN, OUTPUTS)
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x: Any) -> Any:
        return self.function(self, x)


def random_start(net: Any, x: Any) -> Any:
    h = torch.randn(2, x.size(0), HIDDEN)
    return net.lstm(x, (h, h))[0]


def one_start(net: Any, x: Any) -> Any:
    h = torch.ones(2, x.size(0), HIDDEN)
    return net.lstm(x, (h, h))[0]


def packed(net: Any, x: Any) -> Any:
    lengths = torch.full((x.size(0),), x.size(1))
    out = net.lstm(nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True))[0]
    return nn.utils.rnn.pad_packed_sequence(out, batch_first=True)[0]


def in_python(net: Any, x: Any) -> Any:
    return net.lstm(x)[0] if x.sum() > 0 else x


def other_sizes(net: Any, x: Any) -> Any:
    out = net.lstm(x)[0]
    return net.fc(out[:, -1] if x.size(0) == 2 else out)


REFUSED: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "softmax over steps": (
        lambda net, x: torch.softmax(net.fc(net.lstm(x)[0]), 1),
        "softmax runs along axis 1 of (2, 5, 3); features are needed",
    ),
    "first step": (lambda net, x: net.lstm(x)[0][:, 0], "selects step 0 of 5; only the last one"),
    "fourth step": (lambda net, x: net.lstm(x)[0][:, 4], "selects step 4 of 7; only the last one"),
    "some steps": (lambda net, x: net.lstm(x)[0][:, -3:], "keeps 3 of 5 entries of axis 1"),
    "flattened": (
        lambda net, x: net.fc(net.lstm(x)[0]).flatten(1),
        "computes differently at other sizes of batch and steps",
    ),
    "wrong view": (
        lambda net, x: net.fc(net.lstm(x)[0].reshape(x.size(1), x.size(0), -1)),
        "reshapes (2, 5, 8) to (5, 2, 8)",
    ),
    "integers": (lambda net, x: net.lstm(x)[0].int(), "turns floats into torch.int32"),
    "own weights": (
        lambda net, x: nn.functional.linear(net.lstm(x)[0], net.lstm(x)[0][:, -1]),
        "its weights depend on the input",
    ),
    "steps and batch": (
        lambda net, x: net.lstm(x.reshape(1, -1, INPUTS))[0],
        "takes an axis that mixes axis 0 x axis 1",
    ),
    "branch": (
        lambda net, x: torch.cond(net.fc.bias.sum() > 0, torch.sin, torch.cos, (x,)),
        "branches and loops are not supported",
    ),
    "random start": (random_start, "random numbers are not supported"),
    "one start": (one_start, "starts from a state that is not zero"),
    "packed": (packed, "packs sequences of different lengths"),
    "in python": (in_python, "torch.export cannot follow it for an input of shape (2, 5, 4)"),
    "other sizes": (other_sizes, "computes differently at other sizes of batch and steps"),
    "always dropped": (
        lambda net, x: nn.functional.dropout(net.lstm(x)[0]),
        "aten.native_dropout.default (node 'native_dropout'",
    ),
    "no network": (lambda net, x: torch.zeros(3), "its first output is not a tensor that depends"),
    "step by step": (
        lambda net, x: torch.stack([net.lstm(x[:, t : t + 1])[0] for t in range(x.size(1))]),
        "selects entry",
    ),
}


@pytest.mark.parametrize("function, said", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_placed_is_named(function: Callable[[Any, Any], Any], said: str) -> None:
    with pytest.raises(ModelError) as caught:
        from_torch(Calls(function))
    got = str(caught.value)
    assert got.startswith("Calls: ") and said in got and "\n" not in got


def test_a_branch_on_values_is_refused_in_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ModelError, match="torch.export cannot follow it .*data-dependent"):
        from_torch(Calls(lambda net, x: net.fc(x) if x.sum() > 4 else net.fc(2 * x)))
    assert capfd.readouterr() == ("", "")


def test_the_line_of_the_users_code_is_given() -> None:
    with pytest.raises(ModelError, match=r"in 'return self.rnn\(x\)\[0\].sin\(\)'"):
        from_torch(Sine())


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_rounding_on_the_way_is_said(kind: Any) -> None:
    got = from_torch(Calls(lambda net, x: net.fc(net.lstm(x)[0].to(kind).float())))
    narrow = kind.itemsize < 4
    assert got.assumed == ((f"its rounding to {kind} is left out",) if narrow else ())


@pytest.mark.parametrize("module", [nn.LSTM(4, 8, device="meta"), Net().to("meta")])
def test_a_module_without_values_is_refused(module: Any) -> None:
    with pytest.raises(ModelError, match="lies on the device 'meta', without values"):
        from_torch(module)


class Sine(Net):
    """Adds something that is no bias."""

    def forward(self, x: Any) -> Any:
        return self.rnn(x)[0].sin()


@pytest.mark.parametrize(
    "module, said",
    [
        (None, "from_torch takes a torch.nn.Module; a NoneType came"),
        (
            nn.Sequential(nn.LSTM(4, 8), nn.Linear(9, 3)),
            "'dense1' takes 9 values, but is given 8",
        ),
        (nn.Sequential(nn.LSTM(4, 8), nn.Linear(8, 3), nn.Softmax(1)), "runs along axis 1"),
        (nn.Sequential(nn.Linear(4, 8), nn.Softmax()), "module '1' (Softmax): its dim is None"),
        (nn.Sequential(nn.ReLU()), "holds no layer with weights"),
        (nn.Conv1d(3, 4, 5), "Conv1d: holds the Conv1d; convolutions are not supported"),
        (Calls(lambda net, x: net.fc(net.more(x)), more=nn.Conv1d(5, 5, 1)), "aten.conv1d"),
        (
            Calls(lambda net, x: net.more(net.lstm(x)[0])[0], more=nn.LSTM(HIDDEN, 3)),
            "runs along batch with a batch of steps; a recurrent layer behind another one needs",
        ),
        (
            Calls(lambda net, x: net.more(net.lstm(x)[0].flatten(1)), more=nn.Linear(40, 3)),
            "say which: from_torch(module, example=x)",
        ),
    ],
)
def test_modules_and_options_that_are_not_supported_are_named(module: Any, said: str) -> None:
    with pytest.raises(ModelError) as caught:
        from_torch(module)
    assert said in str(caught.value)
