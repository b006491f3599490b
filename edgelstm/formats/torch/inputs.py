"""What a module is tried with: its inputs' axes and sizes, from an example or from its layers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from edgelstm.arguments import MOST_STEPS, array
from edgelstm.errors import ModelError
from edgelstm.formats.following.layers import SIZES
from edgelstm.formats.tensors import from_torch_tensor
from edgelstm.formats.torch.layers import input_sizes
from edgelstm.formats.torch.refused import layer_refused, needed_inputs

if TYPE_CHECKING:
    import torch

# by whether the input is indices, its shape, and those of states
Programs = Callable[[bool, tuple[int, ...], tuple[Any, ...]], "torch.export.ExportedProgram"]


@dataclasses.dataclass(frozen=True)
class Input:
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


def inputs_of(module: torch.nn.Module, example: Any) -> list[Input]:
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
    tried = [Input(size, n_leading) for size in sizes]
    if any(isinstance(inner, nn.Embedding) for inner in modules):
        tried.insert(0, Input(None, 2, indices=True))
    tried = [form for given in tried for form in _with_states(module, given)]
    if is_recurrent:
        tried += [Input(size, 2, steps=n) for n in _steps_read(modules) for size in sizes[:2]]
    return tried


def _is_recurrent(module: torch.nn.Module) -> bool:
    from torch.nn.modules.rnn import RNNBase, RNNCellBase

    return any(isinstance(inner, (RNNBase, RNNCellBase)) for inner in module.modules())


def _with_states(module: torch.nn.Module, given: Input) -> list[Input]:
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


def _as_given(module: torch.nn.Module, example: Any) -> list[Input]:
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
        forms = [Input(None, x.ndim, indices=True)]
    elif x.ndim == 3:
        forms = [Input(x.shape[2], 2)]
    else:
        forms = [Input(None, 2), Input(x.shape[1], 1)]
        forms = forms if _is_recurrent(module) else forms[::-1]
    batches = [k for k in (0, 1) if x.ndim > k and _has_batch(others, x.shape[k])]
    if states:
        axis = (batches or [0])[0]
        forms = [dataclasses.replace(form, states=states, batch_axis=axis) for form in forms]
    fixed = [dataclasses.replace(form, steps=x.shape[1]) for form in forms if form.n_leading == 2]
    return [*forms, *fixed]


def _array(given: Any) -> Any:
    return array(
        from_torch_tensor(given.detach()) if hasattr(given, "detach") else given, "example"
    )


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
