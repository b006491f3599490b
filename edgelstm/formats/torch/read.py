"""Networks of PyTorch from files and from modules. The file alone is read."""

from __future__ import annotations

import io
import pathlib
import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.files.disk import read_bytes
from edgelstm.formats.asked import Asked
from edgelstm.formats.state_dict import to_network
from edgelstm.formats.tensors import NEEDED, at, from_torch_tensor, one_line
from edgelstm.formats.torch.archive import rebuild
from edgelstm.formats.torch.pickle import WAY_OUT
from edgelstm.formats.torch.refused import not_a_module
from edgelstm.installed import check_installed
from edgelstm.model.network import Network

if TYPE_CHECKING:
    import torch

SAFETENSORS_TYPES = {
    "F16": "<f2",
    "F32": "<f4",
    "F64": "<f8",
    "I8": "i1",
    "U8": "u1",
    "I16": "<i2",
    "I32": "<i4",
    "I64": "<i8",
    "BOOL": "?",
}


def read_safetensors(path: pathlib.Path, asked: Asked) -> Network:
    """A `.safetensors` file of a state dict, see `formats.state_dict.to_network`."""
    check_installed("safetensors", f"reading {path.name}")
    import safetensors

    content = read_bytes(path, NEEDED)
    with at(path.name):
        try:
            found = safetensors.deserialize(content)  # type: ignore[no-untyped-call]
        except Exception as error:  # its Rust part raises kinds of its own
            raise ModelError(f"is not a .safetensors file: {one_line(error)}") from None
        tensors = {name: _from_safetensors(name, tensor) for name, tensor in found}
    return to_network(tensors, path.name, asked)


def _from_safetensors(name: str, tensor: Mapping[str, Any]) -> NDArray[Any]:
    kind, shape, content = tensor["dtype"], tensor["shape"], tensor["data"]
    if kind == "BF16":  # the upper half of a float32
        halves = np.frombuffer(content, "<u2").astype(np.uint32) << 16
        return halves.view(np.float32).reshape(shape)
    if kind not in SAFETENSORS_TYPES:
        raise ModelError(f"tensor '{name}' has type {kind}; F32, F16, BF16 or F64 is needed")
    return np.frombuffer(content, SAFETENSORS_TYPES[kind]).reshape(shape)


def read_pt(path: pathlib.Path, asked: Asked) -> Network:
    """A `.pt` file of a state dict, also one inside of a checkpoint's dictionaries.

    A state dict keeps the order in which modules were defined, unless somebody sorted its names.
    """
    torch = _import_torch(f"reading {path.name}")
    content = read_bytes(path, NEEDED)
    with at(path.name):
        archive = rebuild(content)
        del content  # as large as what torch.load is about to make
        tensors = _load(torch, archive)
    # torch defines weight_ih before weight_hh, weight before bias
    is_defined = list(tensors) != sorted(tensors)
    return to_network(tensors, path.name, asked, is_defined=is_defined)


def _load(torch: Any, archive: io.BytesIO) -> dict[str, NDArray[Any]]:
    """The weights by name."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded = torch.load(archive, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever its parts raise
        reason = str(error).split("WeightsUnpickler error:")[-1]  # before it stands advice
        raise ModelError(f"torch cannot load it: {one_line(reason)}; {WAY_OUT}") from None
    return {name: _to_array(name, tensor) for name, tensor in _find(loaded).items()}


def from_torch(module: torch.nn.Module, example: Any = None) -> Network:
    """The network that a module computes.

    Args:
        module: `nn.LSTM`, `nn.GRU`, `nn.RNN` (also bidirectional), their cells, or an
            `nn.Sequential` of these and dense layers, which is read layer by layer and gives each
            step; or any module that `torch.export` can follow and that holds supported operators
            only. It takes (batch, steps, input_size), in float, or (batch, steps) of indices before
            an embedding; steps first if it says so to its recurrent layer; without a recurrent
            layer (batch, input_size). If it returns several tensors, the first one is read, or all
            where they are dense layers on one value. Further inputs can be initial states. It must
            compute the same at every size of batch and steps, but where it reads all steps side by
            side.
        example: An input as the module takes it, an array or a tensor: its axes say which there
            are, and its number of steps is kept where the module is bound to it; None: guessed
            from the layers.

    Raises:
        ModelError: An operator or an option that is not supported, with its place.
    """
    torch = _import_torch("from_torch")
    if not isinstance(module, torch.nn.Module):
        raise ModelError(
            f"from_torch takes a torch.nn.Module; a {type(module).__name__} came; "
            f"{not_a_module(module)}"
        )
    from edgelstm.formats.torch.layers import check_assigned, layers_in_order, read_layers
    from edgelstm.formats.torch.module import read_graph

    with at(type(module).__name__):
        held = [*module.parameters(), *module.buffers()]
        if any(map(torch.nn.parameter.is_lazy, held)):
            raise ModelError(
                "has no weights yet, as a Lazy module before its first input; run it once"
            )
        if any(tensor.is_meta for tensor in held):
            raise ModelError("lies on the device 'meta', without values; load its weights before")
        check_assigned(module)
        listed = layers_in_order(module)
        if listed is None or example is not None:
            return read_graph(module, example)
        return read_layers(listed)


def _import_torch(purpose: str) -> Any:
    try:
        import torch
    except ImportError:
        raise ModelError(f'{purpose} needs torch: pip install "edgelstm[torch]"') from None
    return torch


def _find(loaded: Any) -> dict[str, torch.Tensor]:
    """The one dictionary, at any depth, that holds weights by name."""
    holders, seen, waiting = {}, set(), [("", loaded)]
    while waiting:
        path, value = waiting.pop()
        if not isinstance(value, dict) or id(value) in seen:
            continue
        seen.add(id(value))
        waiting += [(f"{path}/{key}" if path else str(key), inner) for key, inner in value.items()]
        tensors = dict(_tensors(value))
        if any("weight" in name.split(".")[-1] for name in tensors):
            holders[path] = tensors
    if len(holders) != 1:
        found = ", ".join(f"'{path or '/'}'" for path in sorted(holders)) or "none"
        raise ModelError(
            f"dictionaries of weights in it: {found}; one is needed; save model.state_dict()"
        )
    return next(iter(holders.values()))


def _tensors(value: dict[Any, Any]) -> Iterator[tuple[str, torch.Tensor]]:
    import torch

    for name, tensor in value.items():
        if isinstance(name, str) and isinstance(tensor, torch.Tensor):
            yield name, tensor


def _to_array(name: str, tensor: torch.Tensor) -> NDArray[Any]:
    if tensor.is_quantized:
        raise ModelError(f"tensor '{name}' is quantized; save the weights before")
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise ModelError(f"tensor '{name}' claims more values than the file holds")
    return from_torch_tensor(tensor)
