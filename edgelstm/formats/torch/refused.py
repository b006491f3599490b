"""What a module is or holds that keeps it from being read, and what to do about it."""

from __future__ import annotations

import inspect
import re
import traceback
from typing import TYPE_CHECKING, Any

from edgelstm.formats.tensors import one_line
from edgelstm.formats.torch.layers import input_sizes

if TYPE_CHECKING:
    import torch

INSTEAD = "give the module that it was made from"
AHEAD = "compute it before and give from_torch a module of what follows"
# Modules of torch.nn by the start of their names, and the way out.
LAYERS = {
    "Conv": f"convolutions are not supported: {AHEAD}",
    "EmbeddingBag": f"bags of embeddings are not supported: {AHEAD}, which takes the rows it gives",
    "(Group|Instance|RMS|LocalResponse)Norm": "norm layers are not supported: train without",
    "(Transformer|MultiheadAttention)": "attention is not supported: give the recurrent part alone",
    "(Max|Avg|LP|Fractional).*Pool": f"pooling is not supported: {AHEAD}",
    "(GELU|SiLU|SELU|CELU|PReLU|RReLU|Hardswish|Hardshrink|Soft(plus|sign|shrink|min)|Mish|GLU)": (
        "its activation is not supported: use relu, sigmoid, tanh or softmax behind a layer"
    ),
}


def not_a_module(given: Any) -> str:
    """What to give in place of something that is not a module."""
    if isinstance(given, dict):
        return (
            "load it into the module (module.load_state_dict) and give that, or save it, "
            "torch.save(state_dict, 'model.pt'), and read the file: edgelstm.read('model.pt')"
        )
    if hasattr(given, "__fspath__") or isinstance(given, str):
        return "files are read by edgelstm.read(path)"
    if isinstance(given, type):
        return f"give an object of the class: from_torch({given.__name__}(...))"
    if hasattr(given, "graph_signature"):  # torch.export's
        return INSTEAD
    return "give the trained module itself"


def kind_refused(module: torch.nn.Module) -> str | None:
    """Kinds of modules whose code or weights are not in sight, with the way out."""
    import torch

    if isinstance(module, torch.jit.ScriptModule):
        return f"is a program of TorchScript (torch.jit); {INSTEAD}"
    if quantized := _quantized(module):
        return (
            f"is quantized, or prepared for it ({quantized}); give the float module that it was "
            "made from: edgelstm.quantize makes integers of it"
        )
    exported = isinstance(module, (torch.fx.GraphModule, torch.export.UnflattenedModule))
    if exported and not any(map(input_sizes, module.modules())):
        return f"is a graph that torch.export made; {INSTEAD}"
    return None


def _quantized(module: torch.nn.Module) -> str | None:
    """The first part that torch.ao or torchao has quantized or prepared for it."""
    for name, inner in module.named_modules():
        place, kind = type(inner).__module__, type(inner).__name__
        weights = [*inner.parameters(recurse=False), *inner.buffers(recurse=False)]
        foreign = next((t for t in weights if type(t).__module__.startswith("torchao.")), None)
        if re.match(r"torch(\.ao)?\.nn\..*quantized|torch\.ao\.quantization|torchao\.", place):
            return f"{place}.{kind} '{name}'"
        if foreign is not None or any(t.is_quantized for t in weights):
            return f"{type(weights[0] if foreign is None else foreign).__name__} in '{name}'"
    return None


def layer_refused(module: torch.nn.Module) -> str | None:
    """The first of torch's own layers in it that no network here has, with the way out."""
    for name, inner in module.named_modules():
        kind = type(inner)
        for start, way_out in LAYERS.items():
            if kind.__module__.startswith("torch.nn.modules") and re.match(start, kind.__name__):
                return f"holds the {kind.__name__}{f' {name!r}' if name else ''}; {way_out}"
    return None


def needed_inputs(module: torch.nn.Module) -> list[str]:
    """Names of what its forward cannot be called without."""
    return [
        parameter.name
        for parameter in inspect.signature(module.forward).parameters.values()
        if parameter.default is parameter.empty and "VAR" not in parameter.kind.name
    ]


def call_refused(module: torch.nn.Module, error: Exception) -> str | None:
    """What forward takes or calls beside x, by its signature and by what it raised."""
    from torch.nn.utils.rnn import PackedSequence

    needed = needed_inputs(module)
    if len(needed) > 1:
        return (
            f"its forward takes {', '.join(needed[1:])} beside {needed[0]}; states alone can be "
            f"read so, by an example of all: from_torch(module, example=({', '.join(needed)})); or "
            f"give a module whose forward({needed[0]}) sets the rest"
        )
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    called = {frame.f_code.co_name for frame in frames}
    given = [value for frame in frames for value in frame.f_locals.values()]
    packed = any(isinstance(value, PackedSequence) for value in given)
    if packed or called & {"pack_padded_sequence", "pack_sequence"}:
        return (
            "packs sequences of different lengths; a network here takes each as it is: call the "
            "recurrent layer on x itself, without pack_padded_sequence"
        )
    if "embedding" in called or "indices" in one_line(error):
        return f"looks rows up by integers behind other layers: {AHEAD}"
    return None
