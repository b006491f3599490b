"""The preparer of PyTorch: the float network of an `.npz` file as its modules, traced and frozen.

At `hybrid` its own dynamic quantization; it has no recurrent layer that computes in integers.
"""

import warnings
from pathlib import Path
from typing import Any

from edgelstm.formats import AnyNetwork, read
from edgelstm.layers.dense import Dense
from edgelstm.layers.read_steps import ReadSteps
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.network import Network
from edgelstm.runtimes.runtime import Array, Call, Calling

WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
KINDS = {"lstm": "LSTM", "gru": "GRU"}
ACTIVATIONS = {"relu": "ReLU", "sigmoid": "Sigmoid", "tanh": "Tanh", "softmax": "Softmax"}


def refusal(network: AnyNetwork) -> str | None:
    """Why its layers have no counterpart here, or None."""
    if isinstance(network, Network) and network.input_mean is not None:
        return "its module here takes input that is normalised already"
    for layer in network.layers:
        if isinstance(layer, Recurrent):
            if layer.cell_name not in KINDS or layer.forward.cell_clip:
                return f"layer '{layer.name}': torch has no {layer.cell_name} of this form"
        elif isinstance(layer, ReadSteps) and layer.reads == ("last",):
            continue
        elif not isinstance(layer, Dense):
            return f"layer '{layer.name}' has no counterpart in its module here"
    return None


def prepare_torch(path: Path, calling: Calling) -> Call:
    """A `Preparer` of float32."""
    network = read(path)
    assert isinstance(network, Network)
    return _prepared(_module(network), network, calling)


def prepare_torch_hybrid(path: Path, calling: Calling) -> Call:
    """A `Preparer` of int8 weights by dynamic quantization."""
    import torch

    network = read(path)
    assert isinstance(network, Network)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated, and still the fastest that it has
        quantize: Any = torch.ao.quantization.quantize_dynamic
        kinds = {torch.nn.LSTM, torch.nn.GRU, torch.nn.Linear}
        module = quantize(_module(network), kinds, torch.qint8)
    return _prepared(module, network, calling)


def _prepared(module: Any, network: Network, calling: Calling) -> Call:
    import torch

    torch.set_num_threads(calling.threads)
    x, start = torch.from_numpy(calling.batched.transpose(1, 0, 2)), _start(network)
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        jit: Any = torch.jit
        # Results are compared with the oracle's; torch's own check imports sympy for a second.
        frozen = jit.freeze(jit.trace(module, (x, start), check_trace=False))
    states, is_step, mode = start, calling.is_step, torch.inference_mode

    def call() -> Array:
        nonlocal states
        with mode():
            y, new = frozen(x, states)
            if is_step:
                states = new
            result: Array = y.numpy()
            return result

    return call


def _module(network: Network) -> Any:
    """x (steps, 1, input_size) and a tuple of states per recurrent layer to y and new states."""
    import torch

    class Module(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            made = [_layer(n) for n in network.layers if not isinstance(n, ReadSteps)]
            self.layers = torch.nn.ModuleList(made)

        def forward(self, x: Any, states: Any) -> Any:
            new: list[Any] = []
            layers = iter(self.layers)
            for layer in network.layers:
                if isinstance(layer, ReadSteps):
                    x = x[-1:]
                elif isinstance(layer, Recurrent):
                    x, state = next(layers)(x, states[len(new)])
                    new.append(state)
                else:
                    x = next(layers)(x)
            return x, tuple(new)

    return Module().eval()


def _layer(layer: Any) -> Any:
    import torch

    if not isinstance(layer, Recurrent):
        linear = torch.nn.Linear(layer.input_size, layer.output_size)
        arrays = {"weight": layer.weight, "bias": layer.bias}
        linear.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in arrays.items()})
        if layer.activation is None:
            return linear
        options = {"dim": -1} if layer.activation == "softmax" else {}
        activation = getattr(torch.nn, ACTIVATIONS[layer.activation])(**options)
        return torch.nn.Sequential(linear, activation)
    part = layer.forward
    made = getattr(torch.nn, KINDS[layer.cell_name])(
        layer.input_size,
        part.hidden_size,
        bidirectional=len(layer.parts) == 2,
        **({"proj_size": part.projection_size} if part.projection_size else {}),
    )
    ends = zip(("l0", "l0_reverse"), layer.parts, strict=False)
    arrays = {
        f"{k}_{end}": value
        for end, one in ends
        for k in WEIGHTS
        if (value := getattr(one, k, None)) is not None
    }
    made.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in arrays.items()})
    return made


def _start(network: Network) -> tuple[Any, ...]:
    """Zero states: (h, c) of an LSTM, h of a GRU."""
    import torch

    found: list[Any] = []
    for layer in network.layers:
        if isinstance(layer, Recurrent):
            part, n = layer.forward, len(layer.parts)
            h = torch.zeros(n, 1, part.projection_size or part.hidden_size)
            found.append(
                (h, torch.zeros(n, 1, part.hidden_size)) if layer.cell_name == "lstm" else h
            )
    return tuple(found)
