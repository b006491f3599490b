"""MODULES: recurrent networks as tutorials and repositories write them, and which of them are read.

`python -m tests.modules` prints what `from_torch` says of each.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="pip install torch")
nn = torch.nn
functional = nn.functional

INPUTS, HIDDEN, OUTPUTS, STEPS = 4, 8, 3, 6

Forward = Callable[..., Any]


class Module(nn.Module):  # type: ignore[name-defined, misc]
    """Layers by name, used as `call` says."""

    def __init__(self, call: Forward, **layers: Any) -> None:
        super().__init__()
        for name, layer in layers.items():
            if isinstance(layer, nn.Module | nn.Parameter):
                setattr(self, name, layer)
            else:
                self.register_buffer(name, layer)
        self.call = call

    def forward(self, *inputs: Any) -> Any:
        return self.call(self, *inputs)


class WithStates(Module):
    """Its forward takes both states."""

    def forward(self, x: Any, h: Any, c: Any) -> Any:
        return self.call(self, x, h, c)


class WithState(Module):
    """Its forward takes one state, or both in one."""

    def forward(self, x: Any, state: Any) -> Any:
        return self.call(self, x, state)


@dataclasses.dataclass(frozen=True)
class Written:
    """One module.

    Attributes:
        make: Makes it anew.
        refused: What its error says; None: it is read.
        steps: The one number of steps that it takes; None: any.
        indices: Whether its input is indices below 10.
        time_major: Whether steps come first.
        states: Shapes of further inputs, without the batch, which is axis 1.
    """

    make: Callable[[], Any]
    refused: str | None = None
    steps: int | None = None
    indices: bool = False
    time_major: bool = False
    states: tuple[int, ...] = ()


def lstm(inputs: int = INPUTS, hidden: int = HIDDEN, layers: int = 1, **options: Any) -> Any:
    return nn.LSTM(inputs, hidden, layers, **{"batch_first": True, **options})


def gru(inputs: int = INPUTS, hidden: int = HIDDEN, layers: int = 1, **options: Any) -> Any:
    return nn.GRU(inputs, hidden, layers, **{"batch_first": True, **options})


def head(inputs: int = HIDDEN, outputs: int = OUTPUTS) -> Any:
    return nn.Linear(inputs, outputs)


def batch_norm(size: int) -> Any:
    """With statistics as after training."""
    made = nn.BatchNorm1d(size)
    for tensor, low in ((made.running_var, 0.5), (made.weight, 0.5), (made.running_mean, -1)):
        nn.init.uniform_(tensor, low, low + 1.5)
    nn.init.uniform_(made.bias, -1, 1)
    return made


def last(net: Any, x: Any) -> Any:
    return net.fc(net.rnn(x)[0][:, -1])


def each(net: Any, x: Any) -> Any:
    return net.fc(net.rnn(x)[0])


def behind(function: Forward) -> Forward:
    """The last step, then the dense layer, then a function."""
    return lambda net, x: function(last(net, x))


def conv_front(net: Any, x: Any) -> Any:
    return last(net, torch.relu(net.conv(x.transpose(1, 2))).transpose(1, 2))


def residual(net: Any, x: Any) -> Any:
    y = net.rnn(x)[0]
    return net.fc(net.rnn2(y)[0] + y)


def packed(net: Any, x: Any) -> Any:
    lengths = torch.full((x.size(0),), x.size(1))
    sequences = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True)
    return net.fc(net.rnn(sequences)[1][0][-1])


def states(net: Any, x: Any, h: Any, c: Any) -> Any:
    y, (h, c) = net.rnn(x, (h, c))
    return net.fc(y), h, c


def learned_state(net: Any, x: Any) -> Any:
    start = net.h0.expand(1, x.size(0), HIDDEN).contiguous()
    return net.fc(net.rnn(x, (start, start))[0][:, -1])


def attention(net: Any, x: Any) -> Any:
    y = net.rnn(x)[0]
    weights = torch.softmax(net.score(y), dim=1)
    return net.fc((weights * y).sum(1))


def cell_loop(net: Any, x: Any) -> Any:
    h = c = torch.zeros(x.size(0), HIDDEN)
    for t in range(x.size(1)):
        h, c = net.cell(x[:, t], (h, c))
    return net.fc(h)


def autoencoder(net: Any, x: Any) -> Any:
    code = net.encoder(x)[1][0][-1]
    return net.fc(net.decoder(code.unsqueeze(1).repeat(1, STEPS, 1))[0])


def by_lengths(net: Any, x: Any) -> Any:
    y = net.rnn(x)[0]
    lengths = (x.abs().sum(-1) > 0).sum(1) - 1
    return net.fc(y[torch.arange(x.size(0)), lengths])


def both_finals(net: Any, x: Any) -> Any:
    h = net.rnn(x)[1][0]
    return net.fc(torch.cat((h[-2], h[-1]), dim=1))


def two_heads(net: Any, x: Any) -> Any:
    y = net.rnn(x)[0][:, -1]
    return net.fc(y), net.other(y)


def last_and_mean(net: Any, x: Any) -> Any:
    y = net.rnn(x)[0]
    return net.fc(torch.cat((y[:, -1], y.mean(1)), 1))


def tied() -> Any:
    table, output = nn.Embedding(10, HIDDEN), nn.Linear(HIDDEN, 10)
    output.weight = table.weight
    return Module(
        lambda net, x: net.fc(net.rnn(net.table(x))[0]), table=table, rnn=lstm(HIDDEN), fc=output
    )


def normed(layer: Any, name: str) -> Any:
    return nn.utils.parametrizations.weight_norm(layer, name)


MODULES: dict[str, Written] = {
    "last step": Written(lambda: Module(last, rnn=lstm(), fc=head())),
    "h_n[-1]": Written(
        lambda: Module(lambda net, x: net.fc(net.rnn(x)[1][0][-1]), rnn=lstm(layers=2), fc=head())
    ),
    "GRU two layers": Written(lambda: Module(last, rnn=gru(layers=2), fc=head())),
    "bidirectional last step": Written(
        lambda: Module(last, rnn=lstm(bidirectional=True), fc=head(2 * HIDDEN))
    ),
    "bidirectional h_n": Written(
        lambda: Module(both_finals, rnn=lstm(layers=2, bidirectional=True), fc=head(2 * HIDDEN))
    ),
    "mean": Written(
        lambda: Module(lambda net, x: net.fc(net.rnn(x)[0].mean(1)), rnn=lstm(), fc=head())
    ),
    "max": Written(
        lambda: Module(lambda net, x: net.fc(net.rnn(x)[0].max(1)[0]), rnn=gru(), fc=head())
    ),
    "embedding, GRU": Written(
        lambda: Module(
            lambda net, x: net.fc(net.rnn(net.table(x))[0][:, -1]),
            table=nn.Embedding(10, INPUTS, padding_idx=0),
            rnn=gru(),
            fc=head(),
        ),
        indices=True,
    ),
    "tied language model": Written(tied, indices=True),
    "LayerNorm behind": Written(
        lambda: Module(
            lambda net, x: net.fc(net.norm(net.rnn(x)[0][:, -1])),
            rnn=lstm(),
            norm=nn.LayerNorm(HIDDEN),
            fc=head(),
        )
    ),
    "BatchNorm on the last step": Written(
        lambda: Module(
            lambda net, x: net.fc(net.norm(net.rnn(x)[0][:, -1])),
            rnn=lstm(),
            norm=batch_norm(HIDDEN),
            fc=head(),
        )
    ),
    "BatchNorm on the input": Written(
        lambda: Module(
            lambda net, x: last(net, net.norm(x.transpose(1, 2)).transpose(1, 2)),
            rnn=lstm(),
            norm=batch_norm(INPUTS),
            fc=head(),
        )
    ),
    "Conv1d front": Written(
        lambda: Module(conv_front, conv=nn.Conv1d(INPUTS, 5, 3), rnn=lstm(5), fc=head()),
        refused="Conv1d",
    ),
    "dense and relu front": Written(
        lambda: Module(
            lambda net, x: last(net, torch.relu(net.front(x))),
            front=nn.Linear(INPUTS, 5),
            rnn=lstm(5),
            fc=head(),
        )
    ),
    "two heads": Written(lambda: Module(two_heads, rnn=lstm(), fc=head(), other=head(outputs=2))),
    "residual between layers": Written(
        lambda: Module(residual, rnn=lstm(), rnn2=lstm(HIDDEN), fc=head()),
        refused=r"aten.add.Tensor.* joins two tensors that depend on the input",
    ),
    "packed": Written(
        lambda: Module(packed, rnn=lstm(), fc=head()), refused="without pack_padded_sequence"
    ),
    "states in and out": Written(
        lambda: WithStates(states, rnn=lstm(), fc=head()), states=(HIDDEN, HIDDEN)
    ),
    "learned state": Written(
        lambda: Module(
            learned_state, rnn=lstm(), fc=head(), h0=nn.Parameter(torch.rand(1, 1, HIDDEN))
        ),
        refused="starts from a state that is not zero",
    ),
    "time-major": Written(
        lambda: Module(
            lambda net, x: net.fc(net.rnn(x)[0][-1]), rnn=lstm(batch_first=False), fc=head()
        ),
        time_major=True,
    ),
    "weight_norm dense": Written(lambda: Module(last, rnn=lstm(), fc=normed(head(), "weight"))),
    "weight_norm weight_hh": Written(
        lambda: Module(last, rnn=normed(lstm(), "weight_hh_l0"), fc=head())
    ),
    "proj_size": Written(lambda: Module(last, rnn=lstm(layers=2, proj_size=5), fc=head(5))),
    "RNN tanh": Written(
        lambda: Module(last, rnn=nn.RNN(INPUTS, HIDDEN, 2, batch_first=True), fc=head())
    ),
    "RNN relu": Written(
        lambda: Module(
            last,
            rnn=nn.RNN(INPUTS, HIDDEN, nonlinearity="relu", batch_first=True),
            fc=head(),
        )
    ),
    "tanh head": Written(lambda: Module(behind(torch.tanh), rnn=lstm(), fc=head())),
    "log-softmax head": Written(
        lambda: Module(behind(lambda y: torch.log_softmax(y, dim=1)), rnn=lstm(), fc=head())
    ),
    "flatten": Written(
        lambda: Module(
            lambda net, x: net.fc(net.rnn(x)[0].flatten(1)), rnn=lstm(), fc=head(STEPS * HIDDEN)
        ),
        steps=STEPS,
    ),
    "relu on the output": Written(
        lambda: Module(
            lambda net, x: net.fc(torch.relu(net.rnn(x)[0][:, -1])), rnn=lstm(), fc=head()
        )
    ),
    "leaky relu": Written(
        lambda: Module(
            lambda net, x: net.fc2(functional.leaky_relu(last(net, x), 0.1)),
            rnn=lstm(),
            fc=head(outputs=5),
            fc2=head(5),
        )
    ),
    "relu and L2 norm": Written(
        lambda: Module(
            behind(lambda y: functional.normalize(torch.relu(y), dim=1)), rnn=lstm(), fc=head()
        )
    ),
    "attention": Written(
        lambda: Module(attention, rnn=lstm(), score=nn.Linear(HIDDEN, 1), fc=head()),
        refused="aten.softmax.int.* softmax runs along axis 1",
    ),
    "(x - mean)/std": Written(
        lambda: Module(
            lambda net, x: last(net, (x - net.mean) / net.std),
            rnn=lstm(),
            fc=head(),
            mean=torch.rand(INPUTS),
            std=torch.rand(INPUTS) + 0.5,
        )
    ),
    "LSTMCell loop": Written(
        lambda: Module(cell_loop, cell=nn.LSTMCell(INPUTS, HIDDEN), fc=head()),
        refused="selects entry 0 of an axis that is not steps",
    ),
    "autoencoder with repeat": Written(
        lambda: Module(
            autoencoder, encoder=lstm(), decoder=lstm(HIDDEN, 7), fc=nn.Linear(7, INPUTS)
        ),
        steps=STEPS,
    ),
    "LSTM and GRU": Written(
        lambda: Module(
            lambda net, x: net.fc(net.other(net.rnn(x)[0])[0][:, -1]),
            rnn=lstm(),
            other=gru(HIDDEN, 5),
            fc=head(5),
        )
    ),
    "sigmoid each step": Written(
        lambda: Module(lambda net, x: torch.sigmoid(each(net, x)), rnn=lstm(), fc=head())
    ),
    "two dense with dropout": Written(
        lambda: Module(
            lambda net, x: net.fc2(net.drop(torch.relu(last(net, x)))),
            rnn=lstm(),
            fc=head(outputs=6),
            drop=nn.Dropout(0.3),
            fc2=head(6),
        )
    ),
    "c_n": Written(
        lambda: Module(lambda net, x: net.fc(net.rnn(x)[1][1][-1]), rnn=lstm(), fc=head()),
        refused="c_n, which no network here gives",
    ),
    "cat(last, mean)": Written(lambda: Module(last_and_mean, rnn=lstm(), fc=head(2 * HIDDEN))),
    "gather by lengths": Written(
        lambda: Module(by_lengths, rnn=lstm(), fc=head()), refused="is not supported"
    ),
    "every second step": Written(
        lambda: Module(lambda net, x: net.fc(net.rnn(x)[0][:, ::2]), rnn=lstm(), fc=head()),
        refused=r"keeps \d+ of \d+ entries of axis 1",
    ),
}


def made(name: str) -> Any:
    """The module, with the same weights each time, in eval mode."""
    torch.manual_seed(len(name))
    return MODULES[name].make().eval()


def inputs(name: str, batch: int, steps: int) -> tuple[Any, ...]:
    """Of a module: x as it takes it, and its states."""
    written = MODULES[name]
    torch.manual_seed(batch + steps)
    steps = written.steps or steps
    shape = (steps, batch) if written.time_major else (batch, steps)
    given = torch.randn(*shape, INPUTS)
    x = torch.randint(10, shape) if written.indices else given
    return (x, *(torch.zeros(1, batch, size) for size in written.states))


def main() -> None:
    from edgelstm.errors import ModelError
    from edgelstm.formats.torch.read import from_torch

    for name in MODULES:
        try:
            said = str(from_torch(made(name))).replace("\n", ";")
        except ModelError as error:
            said = f"REFUSED {error}"
        print(f"{name}: {said}")


if __name__ == "__main__":
    main()
