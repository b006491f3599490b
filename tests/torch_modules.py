"""Modules as tutorials write them, and their ways into files."""

import contextlib
import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.forward import forward
from edgelstm.model.network import Network

torch = pytest.importorskip("torch", reason="pip install torch")
nn = torch.nn

INPUTS, HIDDEN, OUTPUTS, STEPS = 4, 8, 3, 6


def all_steps(net: Any, x: Any) -> Any:
    out, _ = net.rnn(x)
    return net.fc(net.dropout(out))


def last_of_output(net: Any, x: Any) -> Any:
    out, _ = net.rnn(x)
    return net.fc(out[:, -1, :] if net.rnn.batch_first else out[-1])


def last_state(net: Any, x: Any) -> Any:
    _, state = net.rnn(x)
    return net.fc((state[0] if isinstance(state, tuple) else state)[-1])


def zero_states(net: Any, x: Any) -> Any:
    batch = x.size(0 if net.rnn.batch_first else 1)
    h0 = torch.zeros(net.rnn.num_layers, batch, net.rnn.hidden_size).to(x.device)
    state = (h0, torch.zeros_like(h0)) if isinstance(net.rnn, nn.LSTM) else h0
    out, _ = net.rnn(x, state)
    return torch.softmax(net.fc(out[:, -1] if net.rnn.batch_first else out[-1]), dim=1)


def hidden_layer(net: Any, x: Any) -> Any:
    out, _ = net.rnn(x)
    return net.fc2(torch.relu(net.fc(out)))


def outputs_and_state(net: Any, x: Any) -> Any:
    return net.rnn(x)


HEADS = (all_steps, last_of_output, last_state, zero_states, hidden_layer, outputs_and_state)


class Net(nn.Module):  # type: ignore[name-defined, misc]
    """A recurrent module and dense layers, used as `head` says."""

    def __init__(
        self,
        head: Callable[[Any, Any], Any] = last_of_output,
        kind: str = "LSTM",
        n_layers: int = 1,
        batch_first: bool = True,
    ) -> None:
        super().__init__()
        torch.manual_seed(len(kind) + n_layers)
        self.rnn = getattr(nn, kind)(INPUTS, HIDDEN, n_layers, batch_first=batch_first)
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(HIDDEN, OUTPUTS)
        self.fc2 = nn.Linear(OUTPUTS, 2)
        self.head = head

    def forward(self, x: Any) -> Any:
        return self.head(self, x)


def expected_output(module: Any, x: NDArray[np.float32], batch_first: bool = True) -> Any:
    """PyTorch's own result, batch first."""
    with torch.no_grad():
        y = module.eval()(torch.from_numpy(x if batch_first else x.swapaxes(0, 1).copy()))
    y = (y[0] if isinstance(y, tuple) else y).numpy()
    return y if batch_first or y.ndim == 2 else y.swapaxes(0, 1)


def assert_computes_the_same(network: Network, module: Any, batch_first: bool = True) -> None:
    x = np.random.default_rng(5).normal(size=(3, STEPS, network.input_size)).astype(np.float32)
    got, expected = forward(network, x), expected_output(module, x, batch_first)
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, atol=1e-6)  # float32 sums of a few steps in PyTorch


def assert_same_weights(network: Network, module: Any) -> None:
    """Bit for bit what the module's `rnn` holds."""
    recurrent = [layer for layer in network.layers if isinstance(layer, Recurrent)]
    assert len(recurrent) == module.rnn.num_layers
    for k, layer in enumerate(recurrent):
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            expected = getattr(module.rnn, f"{name}_l{k}").detach().numpy()
            np.testing.assert_array_equal(layer.arrays[name], expected)


def to_onnx(module: Any, path: Path, *, dynamo: bool, free: bool = True) -> Path:
    """An .onnx file by one of PyTorch's exporters, with batch and steps free or fixed."""
    batch_first = getattr(getattr(module, "rnn", None), "batch_first", True)
    x = torch.zeros((2, STEPS, INPUTS) if batch_first else (STEPS, 2, INPUTS))
    options: dict[str, Any] = {"dynamo": dynamo, "input_names": ["x"]}
    if free and dynamo:
        # torch 2.13 keeps the meaning of these operators from one export for the next ones
        for operator in (torch.ops.aten.lstm.input, torch.ops.aten.gru.input):
            operator._dispatch_cache.clear()
        options["dynamic_shapes"] = (dict.fromkeys((0, 1), torch.export.Dim.DYNAMIC),)
    elif free:
        options["dynamic_axes"] = {"x": {0: "a", 1: "b"}}
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(module.eval(), (x,), path, **options)
    return path
