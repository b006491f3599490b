"""Any PyTorch module: its graph at several sizes, among them those at which its code may turn."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from edgelstm.errors import ModelError
from edgelstm.formats.layers import SIZES, equal, finish, follow
from edgelstm.formats.symbolic import Signal
from edgelstm.formats.tensors import from_torch_tensor, one_line, rounding
from edgelstm.formats.torch_export import export, guards, trials
from edgelstm.formats.torch_graph import follow_program
from edgelstm.formats.torch_layers import input_sizes
from edgelstm.formats.torch_refused import call_refused, kind_refused, layer_refused
from edgelstm.layers.read_steps import at_each_step
from edgelstm.model.network import Network

if TYPE_CHECKING:
    import torch

FAR = (211, 1_009)  # batch and steps; beyond them the sizes that the code names are tried
MOST_TRIALS = 12
UNASKED = "torch.export needs plain numbers for them, so that a branch on others is not seen"

Programs = Callable[[tuple[int, ...]], "torch.export.ExportedProgram"]  # by shape of the input


def read_graph(module: torch.nn.Module) -> Network:
    """The network that a module computes, see `formats.torch.from_torch`."""
    try:
        return _read(module)
    except ModelError as refused:
        if kind := kind_refused(module):
            raise ModelError(kind) from None
        layer = layer_refused(module)
        if layer is None or layer in str(refused):
            raise
        raise ModelError(f"{layer} ({refused})") from None


def _read(module: torch.nn.Module) -> Network:
    from torch.nn.modules.rnn import RNNBase, RNNCellBase

    modules = list(module.modules())
    sizes = list(dict.fromkeys(size for inner in modules for size in input_sizes(inner)))
    if not sizes:
        raise ModelError(
            layer_refused(module)
            or "holds no LSTM, GRU or Linear that takes the input; one of torch.nn's is needed"
        )
    is_recurrent = any(isinstance(inner, (RNNBase, RNNCellBase)) for inner in modules)
    n_leading = 2 if is_recurrent else 1
    programs = functools.cache(functools.partial(export, module))
    size = _input_size(module, programs, SIZES[0][:n_leading], sizes)

    def graph(*leading: int) -> Signal:
        shape = (*leading[:n_leading], size)
        try:
            program = programs(shape)
        except Exception as error:  # whatever the module's own code raises
            raise _not_run(shape, error) from None
        return follow_program(program, shape)

    far = FAR[::-1] if graph(*SIZES[0]).steps_axis == 0 else FAR
    network = follow(graph, (*SIZES, far))
    try:
        conditions = guards(module, (*SIZES[0][:n_leading], size))
    except Exception:  # the module's own code
        conditions = [UNASKED]
    for leading in _turns(conditions, n_leading):
        _check_same(network, programs, (*leading, size))
    said = [f"its code depends on sizes ({'; '.join(conditions[:3])})"] if conditions else []
    said += _alone(network, programs, (*(1, 1)[:n_leading], size))
    tensors = map(from_torch_tensor, itertools.chain(module.parameters(), module.buffers()))
    return dataclasses.replace(network, assumed=(*network.assumed, *said, *rounding(tensors)))


def _input_size(
    module: torch.nn.Module, programs: Programs, leading: tuple[int, ...], sizes: Sequence[int]
) -> int:
    """The first input size with which the module runs."""
    refused = []
    for size in sizes:
        try:
            programs((*leading, size))
        except Exception as error:  # whatever the module's own code raises
            refused.append(error)
        else:
            return size
    told = layer_refused(module) or call_refused(module, refused[0])
    if told:
        raise ModelError(told)
    if len(leading) > 1 and _runs(programs, leading):
        raise ModelError(
            "takes (batch, steps) and adds the axis of the features itself; (batch, steps, "
            f"{sizes[0]}) is needed: leave unsqueeze out of forward and call it on the input"
        )
    raise _not_run((*leading, sizes[0]), refused[0])


def _runs(programs: Programs, shape: tuple[int, ...]) -> bool:
    try:
        programs(shape)
    except Exception:  # whatever the module's own code raises
        return False
    return True


def _not_run(shape: Sequence[int], error: Exception) -> ModelError:
    return ModelError(
        f"torch.export cannot follow it for an input of shape {tuple(shape)}: {one_line(error)}"
    )


def _turns(conditions: Sequence[str], n_leading: int) -> Iterator[list[int]]:
    """Leading sizes at which the module's code may turn."""
    for axis, size in trials(conditions, MOST_TRIALS):
        leading = list(SIZES[0][:n_leading])
        leading[axis] = size
        yield leading


def _check_same(network: Network, programs: Programs, shape: tuple[int, ...]) -> None:
    try:
        program = programs(shape)
    except Exception:  # the module takes no input of this size
        return
    if not equal(network, finish(follow_program(program, shape))):
        raise ModelError(
            f"computes differently for an input of shape {shape}; one network for all sizes "
            "is needed"
        )


def _alone(network: Network, programs: Programs, shape: tuple[int, ...]) -> list[str]:
    """What to say where one sequence of one step is computed in another way."""
    try:
        program = programs(shape)
    except Exception:  # the module takes no such input
        return []
    try:
        alone = finish(follow_program(program, shape))
    except ModelError:
        same = False
    else:
        same = equal(at_each_step(alone), at_each_step(network))
    where = "one sequence of one step" if len(shape) > 2 else "one row"
    return [] if same else [f"what the module does with {where} is not what it does with more"]
