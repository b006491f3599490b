"""Any PyTorch module: its graph at several sizes, among them those at which its code may turn."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from edgelstm.errors import ModelError
from edgelstm.formats.following.layers import SIZES, equal, finish, follow
from edgelstm.formats.following.symbolic import Signal
from edgelstm.formats.tensors import from_torch_tensor, one_line, rounding
from edgelstm.formats.torch.export import export, guards, trials
from edgelstm.formats.torch.graph import follow_program
from edgelstm.formats.torch.inputs import Input, Programs, inputs_of
from edgelstm.formats.torch.refused import call_refused, kind_refused, layer_refused
from edgelstm.layers.read_steps import at_each_step, can_read_each
from edgelstm.model.network import Network

if TYPE_CHECKING:
    import torch

FAR = (211, 1_009)  # batch and steps; beyond them the sizes that the code names are tried
MOST_TRIALS = 12
UNASKED = "torch.export needs plain numbers for them, so that a branch on others is not seen"


def read_graph(module: torch.nn.Module, example: Any = None) -> Network:
    """The network that a module computes, see `formats.torch.read.from_torch`."""
    try:
        return _read(module, example)
    except ModelError as refused:
        if kind := kind_refused(module):
            raise ModelError(kind) from None
        layer = layer_refused(module)
        if layer is None or layer in str(refused):
            raise
        raise ModelError(f"{layer} ({refused})") from None


def _read(module: torch.nn.Module, example: Any) -> Network:
    programs = functools.cache(functools.partial(export, module))
    given = _found(module, programs, inputs_of(module, example))

    def graph(*leading: int) -> Signal:
        shape = given.shape(leading)
        try:
            program = given.program(programs, leading)
        except Exception as error:  # whatever the module's own code raises
            raise _not_run(shape, error) from None
        return follow_program(program, shape, univariate=given.univariate)

    far = FAR[::-1] if graph(*given.sizes[0]).steps_axis == 0 else FAR
    network = follow(graph, (*given.sizes, far))
    said = [] if given.steps or given.states else _turning(module, network, programs, given)
    tensors = map(from_torch_tensor, itertools.chain(module.parameters(), module.buffers()))
    return dataclasses.replace(network, assumed=(*network.assumed, *said, *rounding(tensors)))


def _turning(
    module: torch.nn.Module, network: Network, programs: Programs, given: Input
) -> list[str]:
    """What to say of sizes at which the module's code turns; refuses other computations there."""
    try:
        conditions = guards(module, given.shape(SIZES[0]), indices=given.indices)
    except Exception:  # the module's own code
        conditions = [UNASKED]
    for leading in _turns(conditions, given.n_leading):
        _check_same(network, programs, given, leading)
    said = [f"its code depends on sizes ({'; '.join(conditions[:3])})"] if conditions else []
    return said + _alone(network, programs, given)


def _found(module: torch.nn.Module, programs: Programs, tried: Sequence[Input]) -> Input:
    """The first input with which the module runs."""
    refused = []
    for given in tried:
        try:
            given.program(programs, SIZES[0])
        except Exception as error:  # whatever the module's own code raises
            refused.append(error)
        else:
            return given
    first = next((k for k, given in enumerate(tried) if not given.indices), 0)
    told = layer_refused(module) or call_refused(module, refused[first])
    if told:
        raise ModelError(told)
    shape = tried[first].shape(SIZES[0])
    if len(shape) == 3 and _runs(programs, shape[:2]):
        raise ModelError(
            "takes (batch, steps) and adds the axis of the features itself; say so: "
            f"from_torch(module, example=torch.zeros({shape[0]}, {shape[1]}))"
        )
    raise _not_run(shape, refused[first])


def _runs(programs: Programs, shape: tuple[int, ...]) -> bool:
    try:
        programs(False, shape, ())
    except Exception:  # whatever the module's own code raises
        return False
    return True


def _not_run(shape: Sequence[int], error: Exception) -> ModelError:
    return ModelError(
        f"torch.export cannot follow it for an input of shape {tuple(shape)}: {one_line(error)}; "
        "if it takes another, say which: from_torch(module, example=x)"
    )


def _turns(conditions: Sequence[str], n_leading: int) -> Iterator[list[int]]:
    """Leading sizes at which the module's code may turn."""
    for axis, size in trials(conditions, MOST_TRIALS):
        leading = list(SIZES[0][:n_leading])
        leading[axis] = size
        yield leading


def _check_same(network: Network, programs: Programs, given: Input, leading: Sequence[int]) -> None:
    shape = given.shape(leading)
    try:
        program = given.program(programs, leading)
    except Exception:  # the module takes no input of this size
        return
    if not equal(network, finish(follow_program(program, shape, univariate=given.univariate))):
        raise ModelError(
            f"computes differently for an input of shape {shape}; one network for all sizes "
            "is needed"
        )


def _alone(network: Network, programs: Programs, given: Input) -> list[str]:
    """What to say where one sequence of one step is computed in another way."""
    shape = given.shape((1, 1))
    if not can_read_each(network.layers):
        return []
    try:
        program = given.program(programs, (1, 1))
    except Exception:  # the module takes no such input
        return []
    try:
        alone = finish(follow_program(program, shape, univariate=given.univariate))
    except ModelError:
        same = False
    else:
        same = equal(at_each_step(alone), at_each_step(network))
    where = "one sequence of one step" if given.n_leading > 1 else "one row"
    return [] if same else [f"what the module does with {where} is not what it does with more"]
