"""Any PyTorch module: its graph at several sizes, among them those at which its code may turn."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from edgelstm.arguments import MOST_STEPS, array
from edgelstm.errors import ModelError
from edgelstm.formats.following.layers import SIZES, equal, finish, follow
from edgelstm.formats.following.symbolic import Signal
from edgelstm.formats.tensors import from_torch_tensor, one_line, rounding
from edgelstm.formats.torch_export import export, guards, trials
from edgelstm.formats.torch_graph import follow_program
from edgelstm.formats.torch_layers import input_sizes
from edgelstm.formats.torch_refused import call_refused, kind_refused, layer_refused, needed_inputs
from edgelstm.layers.read_steps import at_each_step, can_read_each
from edgelstm.model.network import Network

if TYPE_CHECKING:
    import torch

FAR = (211, 1_009)  # batch and steps; beyond them the sizes that the code names are tried
MOST_TRIALS = 12
UNASKED = "torch.export needs plain numbers for them, so that a branch on others is not seen"

# by whether the input is indices, its shape, and those of states
Programs = Callable[[bool, tuple[int, ...], tuple[Any, ...]], "torch.export.ExportedProgram"]


@dataclasses.dataclass(frozen=True)
class _Input:
    """What a module is tried with.

    Attributes:
        size: Values per step; None: it has no axis of them.
        n_leading: Axes in front of them.
        indices: Whether they are rows of an embedding.
        steps: The one number of steps that the module takes; None: any.
        states: Shapes of further inputs, -1 for the batch; or tuples of them.
        batch_axis: Of the leading ones.
    """

    size: int | None
    n_leading: int
    indices: bool = False
    steps: int | None = None
    states: tuple[Any, ...] = ()
    batch_axis: int = 0

    def program(self, programs: Programs, leading: Sequence[int]) -> torch.export.ExportedProgram:
        """The module's graph at these leading sizes; raises what the module's own code does."""
        shape = self.shape(leading)

        def filled(stated: Any) -> Any:
            if stated and isinstance(stated[0], tuple):
                return tuple(map(filled, stated))
            return tuple(shape[self.batch_axis] if n == -1 else n for n in stated)

        return programs(self.indices, shape, tuple(map(filled, self.states)))

    def shape(self, leading: Sequence[int]) -> tuple[int, ...]:
        """The whole shape, where steps are free as these say."""
        first = list(leading[: self.n_leading])
        if self.steps is not None:
            first[1:2] = [self.steps]
        return (*first, *(() if self.size is None else (self.size,)))

    @property
    def univariate(self) -> bool:
        """Whether a step is one value without an axis."""
        return self.size is None and not self.indices

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """At which it is followed first."""
        if self.steps is None:
            return list(SIZES)
        return [(batch, self.steps) for batch, _ in SIZES]


def read_graph(module: torch.nn.Module, example: Any = None) -> Network:
    """The network that a module computes, see `formats.torch.from_torch`."""
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
    given = _found(module, programs, _inputs(module, example))

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
    module: torch.nn.Module, network: Network, programs: Programs, given: _Input
) -> list[str]:
    """What to say of sizes at which the module's code turns; refuses where it computes otherwise."""
    try:
        conditions = guards(module, given.shape(SIZES[0]), indices=given.indices)
    except Exception:  # the module's own code
        conditions = [UNASKED]
    for leading in _turns(conditions, given.n_leading):
        _check_same(network, programs, given, leading)
    said = [f"its code depends on sizes ({'; '.join(conditions[:3])})"] if conditions else []
    return said + _alone(network, programs, given)


def _inputs(module: torch.nn.Module, example: Any) -> list[_Input]:
    """What to try: the example's axes and sizes, or what the module's layers take."""
    from torch import nn

    if example is not None:
        return _as_given(module, example)
    modules = list(module.modules())
    sizes = list(dict.fromkeys(size for inner in modules for size in input_sizes(inner)))
    if not sizes:
        raise ModelError(
            layer_refused(module)
            or "holds no LSTM, GRU or Linear that takes the input; one of torch.nn's is needed"
        )
    is_recurrent = _is_recurrent(module)
    n_leading = 2 if is_recurrent else 1
    tried = [_Input(size, n_leading) for size in sizes]
    if any(isinstance(inner, nn.Embedding) for inner in modules):
        tried.insert(0, _Input(None, 2, indices=True))
    tried = [form for given in tried for form in _with_states(module, given)]
    if is_recurrent:
        tried += [_Input(size, 2, steps=n) for n in _steps_read(modules) for size in sizes[:2]]
    return tried


def _is_recurrent(module: torch.nn.Module) -> bool:
    from torch.nn.modules.rnn import RNNBase, RNNCellBase

    return any(isinstance(inner, (RNNBase, RNNCellBase)) for inner in module.modules())


def _with_states(module: torch.nn.Module, given: _Input) -> list[_Input]:
    """Also with states, where forward needs more inputs than x."""
    from torch.nn.modules.rnn import RNNBase

    layers = [inner for inner in module.modules() if isinstance(inner, RNNBase)]
    n_states = len(needed_inputs(module)) - 1
    if n_states < 1 or not layers:
        return [given]
    first = layers[0]
    h = (first.num_layers, -1, first.proj_size or first.hidden_size)
    c = (first.num_layers, -1, first.hidden_size)
    forms: list[tuple[Any, ...]] = [(h, c)[:n_states]]
    if n_states == 1 and first.mode == "LSTM":
        forms = [((h, c),), ((2, *h),)]
    axis = 0 if first.batch_first else 1
    return [dataclasses.replace(given, states=form, batch_axis=axis) for form in forms]


def _steps_read(modules: Sequence[torch.nn.Module]) -> list[int]:
    """Numbers of steps at which a dense layer takes all outputs of a recurrent one side by side."""
    from torch.nn import Linear
    from torch.nn.modules.rnn import RNNBase

    wide = {
        (inner.proj_size or inner.hidden_size) * (2 if inner.bidirectional else 1)
        for inner in modules
        if isinstance(inner, RNNBase)
    }
    taken = [inner.in_features for inner in modules if isinstance(inner, Linear)]
    found = [n // size for n in taken for size in wide if n % size == 0 and n > size]
    return [n for n in dict.fromkeys(found) if n <= MOST_STEPS][:4]


def _as_given(module: torch.nn.Module, example: Any) -> list[_Input]:
    """Of an example: first with sizes of its own choice, then with the example's steps."""
    given, *others = example if isinstance(example, tuple | list) else (example,)
    x, states = _array(given), tuple(_state_shape(other) for other in others)
    indices = x.dtype.kind in "iu"
    if x.ndim not in ((1, 2) if indices else (2, 3)) or 0 in x.shape:
        raise ModelError(
            f"example has shape {x.shape}; (batch, steps, input_size), (batch, steps) of one value "
            "each, or (batch, steps) of indices is needed"
        )
    if indices:
        forms = [_Input(None, x.ndim, indices=True)]
    elif x.ndim == 3:
        forms = [_Input(x.shape[2], 2)]
    else:
        forms = [_Input(None, 2), _Input(x.shape[1], 1)]
        forms = forms if _is_recurrent(module) else forms[::-1]
    batches = [k for k in (0, 1) if x.ndim > k and _has_batch(others, x.shape[k])]
    if states:
        where = {"states": states, "batch_axis": (batches or [0])[0]}
        forms = [dataclasses.replace(form, **where) for form in forms]
    fixed = [dataclasses.replace(form, steps=x.shape[1]) for form in forms if form.n_leading == 2]
    return [*forms, *fixed]


def _array(given: Any) -> Any:
    return array(from_torch_tensor(given.detach()) if hasattr(given, "detach") else given, "example")


def _state_shape(given: Any) -> Any:
    """Of an example's further input: its batch, the axis before the last, is any."""
    if isinstance(given, tuple | list):
        return tuple(map(_state_shape, given))
    shape = _array(given).shape
    return tuple(-1 if k == len(shape) - 2 else n for k, n in enumerate(shape))


def _has_batch(others: Any, size: int) -> bool:
    first = others[0] if others else None
    while isinstance(first, tuple | list):
        first = first[0]
    return first is not None and len(_array(first).shape) > 1 and _array(first).shape[-2] == size


def _found(module: torch.nn.Module, programs: Programs, tried: Sequence[_Input]) -> _Input:
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


def _check_same(
    network: Network, programs: Programs, given: _Input, leading: Sequence[int]
) -> None:
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


def _alone(network: Network, programs: Programs, given: _Input) -> list[str]:
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
