"""PyTorch's own modules, one after the other: what `from_torch` reads without following a graph."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from edgelstm.errors import ModelError
from edgelstm.formats.following.layers import SIZES, STEPS_FIRST, activate, dense, finish, recurrent
from edgelstm.formats.following.symbolic import Signal, start
from edgelstm.formats.tensors import at, float32, from_torch_tensor, rounding
from edgelstm.layers.directions import REVERSE
from edgelstm.layers.recurrent import Floats
from edgelstm.model.network import Network

if TYPE_CHECKING:
    import torch

CELLS_OF = {
    **{"LSTM": "lstm", "GRU": "gru", "RNN": "rnn"},
    **{"LSTMCell": "lstm", "GRUCell": "gru", "RNNCell": "rnn"},
}
ACTIVATIONS_OF = {"ReLU": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "Softmax": "softmax"}
NEUTRAL = ("Dropout", "Identity")
KNOWN = (*CELLS_OF, *ACTIVATIONS_OF, *NEUTRAL, "Linear")

Named = list[tuple[str, "torch.nn.Module"]]


def layers_in_order(module: torch.nn.Module) -> Named | None:
    """The layers of a module that is one or an `nn.Sequential` of them, by name; else None.

    All of them do what their type says and nothing beside it: no hooks, no methods of their own.
    """
    from torch import nn

    found: Named = []
    waiting = [("", module)]
    while waiting:
        name, inner = waiting.pop()
        if not _does_what_its_type_says(inner):
            return None
        kind = type(inner).__name__
        if type(inner) is nn.Sequential:
            dot = f"{name}." if name else ""
            waiting += [
                (dot + key, child) for key, child in reversed(inner._modules.items()) if child
            ]
        elif kind in KNOWN and type(inner) is getattr(nn, kind) and _has_plain_tensors(inner):
            found.append((name, inner))
        else:
            return None
    return found


def _does_what_its_type_says(module: torch.nn.Module) -> bool:
    from torch.nn.modules import module as of_all

    hooks = (
        module._forward_hooks,
        module._forward_pre_hooks,
        of_all._global_forward_hooks,
        of_all._global_forward_pre_hooks,
    )
    # torch.compile of a module computes the same
    own = vars(module).keys() - {"_compiled_call_impl"}
    return not any(hooks) and not any(hasattr(type(module), name) for name in own)


def _has_plain_tensors(module: torch.nn.Module) -> bool:
    """Values that lie in memory one by one; biases may be absent, weights may not."""
    import torch

    tensors = _tensors(module)
    if any(getattr(module, name, None) is not tensor for name, tensor in tensors.items()):
        return False  # torch takes what was assigned last, which is not told here
    plain = (torch.Tensor, torch.nn.Parameter)
    return all(
        type(tensor) in plain and tensor.layout == torch.strided
        if tensor is not None
        else "bias" in name and type(module).__name__ not in ("LSTM", "GRU", "RNN")
        for name, tensor in tensors.items()
    )


def check_assigned(module: torch.nn.Module) -> None:
    """Refuses recurrent modules that compute with other tensors than their attributes.

    Their forward reads a list, which torch makes anew from the attributes if one was assigned.
    """
    from torch.nn.modules.rnn import RNNBase

    for name, inner in module.named_modules():
        own = vars(inner)
        refs = [ref() for ref in own.get("_flat_weight_refs", ()) if ref is not None]
        if not isinstance(inner, RNNBase) or not refs:
            continue
        held = [getattr(inner, key, None) for key in own["_flat_weights_names"]]
        unchanged = len(refs) == len(held) and all(map(operator.is_, refs, held))
        if unchanged and not all(map(operator.is_, own["_flat_weights"], held)):
            raise ModelError(
                f"module '{name}' computes with _flat_weights that are not its weights; assign "
                "the weights themselves: module.weight_hh_l0 = ..."
            )


def _tensors(module: torch.nn.Module) -> dict[str, torch.Tensor | None]:
    """What the module's forward reads, whoever holds it: parameters, buffers or attributes."""
    own = vars(module)
    if "_flat_weights" in own:
        return dict(zip(own["_flat_weights_names"], own["_flat_weights"], strict=True))
    names = ("weight", "bias", "weight_ih", "weight_hh", "bias_ih", "bias_hh")
    found = {name: getattr(module, name) for name in names if hasattr(module, name)}
    return {name: tensor for name, tensor in found.items() if not isinstance(tensor, bool)}


def read_layers(modules: Named) -> Network:
    """The network of these layers, one behind the other; each step is given."""
    is_recurrent = any(_is_cell(module) for _, module in modules)
    sizes = [size for _, module in modules for size in input_sizes(module)]
    if not sizes:
        raise ModelError("holds no layer with weights; an LSTM, GRU or Linear is needed")
    signal = start((*SIZES[0], sizes[0]) if is_recurrent else (SIZES[0][0], sizes[0]))
    for name, module in modules:
        with at(f"module '{name}' ({type(module).__name__})" if name else type(module).__name__):
            signal = _through(signal, module)
    network = finish(signal)
    first = [getattr(module, "batch_first", True) for _, module in modules if _is_cell(module)][:1]
    said = (STEPS_FIRST,) if first == [False] else ()
    held = (t for _, module in modules for t in _tensors(module).values() if t is not None)
    rounded = rounding(map(from_torch_tensor, held))
    return dataclasses.replace(network, assumed=(*network.assumed, *said, *rounded))


def _is_cell(module: torch.nn.Module) -> bool:
    return type(module).__name__ in CELLS_OF


def input_sizes(module: torch.nn.Module) -> list[int]:
    """Values that a recurrent or dense layer takes; none for other modules."""
    from torch import nn
    from torch.nn.modules.rnn import RNNBase, RNNCellBase

    if isinstance(module, nn.Linear):
        return [module.in_features]
    return [module.input_size] if isinstance(module, (RNNBase, RNNCellBase)) else []


def _through(signal: Signal, module: torch.nn.Module) -> Signal:
    kind = type(module).__name__
    tensors = {
        name: float32(from_torch_tensor(tensor), name)
        for name, tensor in _tensors(module).items()
        if tensor is not None
    }
    if kind == "Linear":
        bias = tensors.get("bias")
        return dense(
            signal, tensors["weight"], 0 * tensors["weight"][:, 0] if bias is None else bias
        )
    if kind in ACTIVATIONS_OF:
        dim = getattr(module, "dim", -1)
        if dim is None:
            raise ModelError("its dim is None; give it dim=-1")
        return activate(signal, ACTIVATIONS_OF[kind], dim)
    if kind in NEUTRAL:
        return signal
    nonlinearity = str(getattr(module, "nonlinearity", "tanh"))
    suffixes = [f"_l{k}" for k in range(getattr(module, "num_layers", 0))] or [""]
    both = getattr(module, "bidirectional", False)
    for suffix in suffixes:
        weights = _of_layer(tensors, suffix)
        reverse = _of_layer(tensors, suffix + REVERSE) if both else None
        signal = recurrent(
            signal,
            CELLS_OF[kind],
            weights,
            steps_axis=1,
            reverse=reverse,
            nonlinearity=nonlinearity,
        )
    return signal


def _of_layer(tensors: Mapping[str, Floats], suffix: str) -> dict[str, Floats]:
    weights = {kind: tensors[kind + suffix] for kind in ("weight_ih", "weight_hh")}
    zeros = np.zeros(len(weights["weight_hh"]), np.float32)
    weights |= {b: tensors.get(b + suffix, zeros) for b in ("bias_ih", "bias_hh")}
    projection = tensors.get("weight_hr" + suffix)
    return weights if projection is None else weights | {"weight_hr": projection}
