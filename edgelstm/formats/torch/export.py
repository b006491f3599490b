"""torch.export, asked for the graph of a module at one size, and for its branches on sizes."""

from __future__ import annotations

import contextlib
import functools
import io
import itertools
import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

LIBRARY = "edgelstm"
ONE_STATE = ("gru", "rnn_tanh", "rnn_relu")
LARGEST = 10**6  # of the sizes that are tried


def export(
    module: torch.nn.Module, indices: bool, shape: tuple[int, ...], states: tuple[Any, ...] = ()
) -> Any:
    """The graph in eval mode for an input of this shape, a recurrent module being one node of it.

    Args:
        module: Any.
        indices: Whether the input is indices, int64, and not floats.
        shape: Of the input.
        states: Shapes of further inputs; or tuples of them.

    Raises:
        Exception: Whatever the module's own code or torch raises.
    """
    with _silence():
        # decompositions: none; this only replaces operators that change their arguments
        program = _export(module, shape, None, indices=indices, states=states)
        return program.run_decompositions({})


def guards(module: torch.nn.Module, shape: Sequence[int], *, indices: bool) -> list[str]:
    """What the module's code asks of the input's leading sizes, beyond that they are above 1.

    Returns:
        Conditions in Python, as torch.export writes them: ``L['x'].size()[1] <= 16``.

    Raises:
        Exception: As `export`; also where the code only runs with sizes that are plain numbers.
    """
    import torch

    free = torch.export.Dim.AUTO
    n_free = len(shape) - (not indices)
    program = _export(module, shape, ({axis: free for axis in range(n_free)},), indices=indices)
    (name,) = program.graph_signature.user_inputs
    x = next(node.meta["val"] for node in program.graph.nodes if node.name == name)
    found = list(getattr(program, "_guards_code", None) or ())
    for axis, size in enumerate(x.shape[:n_free]):
        term = f"L['x'].size()[{axis}]"
        bounds = program.range_constraints.get(size.node.expr) if hasattr(size, "node") else None
        if bounds is None:  # a plain number, as int(size) and len(x) make it
            found.append(f"{term} == {size}")
            continue
        if bounds.lower > 2:
            found.append(f"{term} >= {bounds.lower}")
        if str(bounds.upper).isdigit():  # else it is sympy's infinity
            found.append(f"{term} <= {bounds.upper}")
    return list(dict.fromkeys(found))


def trials(conditions: Sequence[str], most: int) -> list[tuple[int, int]]:
    """(axis, size) on and beside the numbers that conditions name: there a branch turns."""
    found = []
    for condition in conditions:
        axes = sorted(set(map(int, re.findall(r"size\(\)\[(\d+)\]", condition))))
        bare = re.sub(r"L\['\w+'\]\.size\(\)\[\d+\]", "", condition)
        for number, axis in itertools.product(map(int, re.findall(r"\d+", bare)), axes):
            found += [(axis, number + k) for k in (1, 0, -1) if 2 <= number + k <= LARGEST]
    return list(dict.fromkeys(found))[:most]


def _export(
    module: torch.nn.Module,
    shape: Sequence[int],
    dynamic_shapes: Any,
    *,
    indices: bool = False,
    states: tuple[Any, ...] = (),
) -> torch.export.ExportedProgram:
    import torch

    held = itertools.chain(module.parameters(), module.buffers())
    like = next((t for t in held if t.is_floating_point()), torch.zeros(0))
    dtype = torch.int64 if indices else like.dtype
    x = torch.zeros(shape, dtype=dtype, device=like.device)

    def zeros(shape: Any) -> Any:
        if shape and isinstance(shape[0], tuple):
            return tuple(map(zeros, shape))
        return torch.zeros(shape, dtype=like.dtype, device=like.device)

    given = (x, *map(zeros, states))
    with _as_found(module), _silence(), torch.no_grad(), _recurrent_nodes():
        module.eval()
        return torch.export.export(module, given, strict=False, dynamic_shapes=dynamic_shapes)


@contextlib.contextmanager
def _as_found(module: torch.nn.Module) -> Iterator[None]:
    """Afterwards every module holds the attributes that it had, of training and of hooks too."""
    kept = [(inner, dict(vars(inner))) for inner in module.modules()]
    flat = [own["_flat_weights"] for _, own in kept if "_flat_weights" in own]
    lists = [(weights, list(weights)) for weights in flat]
    try:
        yield
    finally:
        for inner, own in kept:
            vars(inner).clear()
            vars(inner).update(own)
        for weights, held in lists:
            weights[:] = held


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """What torch prints, its errors say."""
    silenced = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(silenced)


def _recurrent_nodes() -> Any:
    """A mode in which torch.lstm, gru, rnn_tanh and rnn_relu are nodes of any number of steps.

    torch 2.13 traces its own ones step by step: a minute for 4,096 steps, and one graph per number
    of steps.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    lstm, *others = _operators()
    by_state = dict(zip(ONE_STATE, others, strict=True))

    class Mode(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
        ) -> Any:
            # of packed sequences the second argument holds the batch sizes, the fourth weights
            if func is torch._VF.lstm and not isinstance(args[1], torch.Tensor):
                return tuple(lstm(args[0], *args[1], args[2], *args[3:], **(kwargs or {})))
            if (
                getattr(func, "__name__", "") in by_state
                and func is getattr(torch._VF, func.__name__)
                and not isinstance(args[2], torch.Tensor)
            ):
                return tuple(by_state[func.__name__](*args, **(kwargs or {})))
            return func(*args, **(kwargs or {}))

    return Mode()


@functools.cache
def _operators() -> tuple[Any, ...]:
    """Operators of which torch knows the shapes alone."""
    import torch

    options = (
        "bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, "
        "bool batch_first"
    )
    library: Any = torch.library.Library(LIBRARY, "FRAGMENT")  # type: ignore[no-untyped-call]
    library.define(f"lstm(Tensor x, Tensor h, Tensor c, Tensor[] weights, {options}) -> Tensor[]")
    for name in ONE_STATE:
        library.define(f"{name}(Tensor x, Tensor h, Tensor[] weights, {options}) -> Tensor[]")

    def output(x: torch.Tensor, h: torch.Tensor, options: Sequence[Any]) -> torch.Tensor:
        directions = 2 if options[4] else 1
        return x.new_empty((*x.shape[:2], directions * h.shape[-1]))

    def lstm(x: Any, h: Any, c: Any, weights: Any, *options: Any) -> list[torch.Tensor]:
        return [output(x, h, options), torch.empty_like(h), torch.empty_like(c)]

    def one_state(x: Any, h: Any, weights: Any, *options: Any) -> list[torch.Tensor]:
        return [output(x, h, options), torch.empty_like(h)]

    torch.library.register_fake(f"{LIBRARY}::lstm", lstm, lib=library)
    for name in ONE_STATE:
        torch.library.register_fake(f"{LIBRARY}::{name}", one_state, lib=library)
    _operators.library = library  # type: ignore[attr-defined]  # it ends with what it defines
    namespace = getattr(torch.ops, LIBRARY)
    return (namespace.lstm, *(getattr(namespace, name) for name in ONE_STATE))
