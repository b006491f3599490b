"""ONNX's recurrent operators on tensors that depend on the input: nodes to layers of a `Signal`."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.formats.following.layers import recurrent as through
from edgelstm.formats.following.reads import final_states, reverse_steps
from edgelstm.formats.following.symbolic import (
    Signal,
    State,
    Unread,
    directions_apart,
    permute,
    select,
    unsqueeze,
)
from edgelstm.formats.onnx import NATIVE, Operator, from_onnx, to_onnx
from edgelstm.formats.onnx.carried import said
from edgelstm.formats.onnx.folding import distinct
from edgelstm.formats.onnx.part import STATES
from edgelstm.formats.tensors import float32

Attributes = Mapping[str, Any]
Weights = dict[str, NDArray[np.float32]]  # of one direction, by their names

# What a recurrent node says by being silent
SILENT: dict[str, dict[str, Any]] = {
    "LSTM": {"activations": ["Sigmoid", "Tanh", "Tanh"], "input_forget": 0},
    "GRU": {"activations": ["Sigmoid", "Tanh"]},
    "RNN": {"activations": ["Tanh"]},
}
CASES = {name.lower(): name for name in ("Sigmoid", "Tanh", "Relu", "HardSigmoid", "Affine")}
INPUTS = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")


def recurrent(operator: str, attributes: Attributes, *given: Any) -> tuple[Any, ...]:
    """Y (steps, directions, batch, hidden_size), Y_h (directions, batch, hidden_size) and Y_c.

    With layout=1 the batch is first, in what is given and in all of these.
    """
    inputs = dict(zip(INPUTS, (*given, *[None] * len(INPUTS)), strict=False))
    batch_first = attributes.get("layout") == 1
    steps_axis = int(batch_first)
    attributes = _plain(attributes)
    if batch_first:
        inputs |= {name: _turned(inputs[name]) for name in ("initial_h", "initial_c")}
    _check_attributes(operator, attributes)
    _check_inputs(inputs, steps_axis)
    both = attributes.get("direction") == "bidirectional"
    stored = _stored(operator, inputs, 2 if both else 1)
    entry = _entry(operator, attributes, stored)
    weights = [_read(held, entry.cell) for held in stored]
    _check_states(inputs, weights)
    if attributes.get("hidden_size", inputs["R"].shape[2]) != inputs["R"].shape[2]:
        raise ModelError(
            f"has hidden_size={attributes['hidden_size']}, but R of shape {inputs['R'].shape}"
        )
    x, alone = signal(inputs["X"]), attributes.get("direction") == "reverse"
    x = reverse_steps(x) if alone else x
    begun = _begun(operator, inputs, backward=both or alone)
    y = through(
        x,
        entry.cell,
        weights[0],
        steps_axis=steps_axis,
        reverse=weights[1] if both else None,
        nonlinearity=entry.nonlinearity,
    )
    y = dataclasses.replace(y, notes=(*y.notes, *said(begun, y.layers[-1].name)))
    y = permute(y, (1, 0, 2)) if batch_first else y
    if both:
        results = directions_apart(y), final_states([y], 0)
    else:
        final = unsqueeze(select(y, 0, -1), [0])
        results = unsqueeze(reverse_steps(y) if alone else y, [1]), final
    if batch_first:
        results = permute(results[0], (2, 0, 1, 3)), permute(results[1], (1, 0, 2))
    return *results, Unread("the final cell state Y_c, which no network here gives")


def _plain(attributes: Attributes) -> Attributes:
    """Without what says nothing: clip=0, layout; names of activations as ONNX writes them."""
    plain = {k: v for k, v in attributes.items() if (k, v) != ("clip", 0) and k != "layout"}
    if attributes.get("layout", 0) not in (0, 1):
        raise ModelError(f"has layout={attributes['layout']}; 0 or 1 is needed")
    if isinstance(plain.get("activations"), list):
        plain["activations"] = [CASES.get(str(a).lower(), a) for a in plain["activations"]]
    return plain


def _turned(state: Any) -> Any:
    """An initial state (batch, directions, hidden_size) as others have it."""
    if isinstance(state, State) and state.places.ndim == 3:
        return State(state.name, state.places.swapaxes(0, 1))
    return state.swapaxes(0, 1) if isinstance(state, np.ndarray) and state.ndim == 3 else state


def _begun(operator: str, inputs: Mapping[str, Any], *, backward: bool) -> list[State]:
    """Initial states that are inputs of the graph: all of them, or none."""
    given = [inputs[f"initial_{name}"] for name in STATES[operator]]
    found = [state for state in given if isinstance(state, State)]
    if found and len(found) < len(given):
        raise ModelError(f"takes its state in part from the input '{found[0].name}'; all is needed")
    if found and backward:
        raise ModelError("starts a reverse direction from inputs; it starts at zero")
    return found


def _check_attributes(operator: str, attributes: Attributes) -> None:
    both = attributes.get("direction") == "bidirectional"
    silent = {**SILENT[operator], "direction": "forward"}
    if attributes.get("direction") == "reverse":
        silent["direction"] = "reverse"
    known = [silent["activations"], *_activations(operator)]
    if both:
        silent |= {"direction": "bidirectional", "activations": 2 * silent["activations"]}
        known = [2 * names for names in known]
    if attributes.get("activations") in known:
        silent["activations"] = attributes["activations"]
    # what a known attribute says wrongly is the cause of others: HardSigmoid of activation_alpha
    for name, value in sorted(attributes.items(), key=lambda item: item[0] not in silent):
        if name == "hidden_size" or (name == "linear_before_reset" and value in (0, 1)):
            continue
        if name in ("activation_alpha", "activation_beta"):
            raise ModelError(
                f"has {name}={value}, which sigmoid and tanh do not take; leave it out"
            )
        if name not in silent:
            raise ModelError(f"has {name}={value}, which no target supports; export it without")
        if value != silent[name]:
            others = {"direction": ["reverse", "bidirectional"], "activations": known[1:]}
            also = "".join(f" or {other}" for other in others.get(name, ()))
            raise ModelError(
                f"has {name}={value}; only {silent[name]}{also} is supported: train and export it "
                "so"
            )


def _activations(operator: str) -> list[Any]:
    """Those that a node may state in place of what it says by being silent."""
    stated = (entry.attributes.get("activations") for entry in NATIVE if entry.name == operator)
    return [names for names in stated if names]


def _check_inputs(inputs: Mapping[str, Any], steps_axis: int) -> None:
    for name in ("W", "R", "B", "P"):
        may_lack = name in ("B", "P") and inputs[name] is None
        if not (isinstance(inputs[name], np.ndarray) or may_lack):
            raise ModelError(f"its weights {name} are not a constant")
    lengths = inputs["sequence_lens"]
    if lengths is not None and not _are_all_steps(lengths, inputs["X"], steps_axis):
        raise ModelError(
            "has lengths per sequence (sequence_lens) other than all of the steps, which are not "
            "supported; export it without"
        )
    for name in ("initial_h", "initial_c"):
        state = inputs[name]
        if isinstance(state, State):
            continue
        if state is not None and (not isinstance(state, np.ndarray) or np.any(distinct(state))):
            raise ModelError(f"starts from a state ({name}) that is not zero; zeros are needed")


def _are_all_steps(lengths: Any, x: Any, steps_axis: int) -> bool:
    """Whether constant lengths say of each sequence that it has all steps."""
    steps = signal(x).shape[steps_axis] if isinstance(lengths, np.ndarray) else 0
    return bool(steps) and bool(np.all(lengths == steps))


def _check_states(inputs: Mapping[str, Any], weights: Sequence[Mapping[str, Any]]) -> None:
    """Their batch may be that of the exporter's example, as zeros are the same for any batch."""
    size = weights[0]["weight_hh"].shape[1]
    for name in ("initial_h", "initial_c"):
        state = inputs[name]
        if state is None:
            continue
        state = state.places if isinstance(state, State) else state
        if state.ndim != 3 or (len(state), state.shape[2]) != (len(weights), size):
            raise ModelError(
                f"has {name} of shape {state.shape}; ({len(weights)}, batch, {size}) is needed; "
                "if the model has a projection (proj_size), torch.onnx.export(dynamo=True) loses "
                "it: no file holds it, build the layer without"
            )


def _stored(operator: str, inputs: Mapping[str, Any], directions: int) -> list[Weights]:
    """Those of each direction, in ONNX's order."""
    w, r = (float32(inputs[name], name) for name in ("W", "R"))
    known = next(entry for entry in NATIVE if entry.name == operator)
    n_gates = len(known.gates)
    if (
        r.ndim != 3
        or len(r) != directions
        or r.shape[1] != n_gates * r.shape[2]
        or w.shape[:2] != r.shape[:2]
    ):
        raise ModelError(
            f"has W of shape {w.shape} and R of shape {r.shape}; ({directions}, {n_gates} * "
            f"hidden_size, input_size) and ({directions}, {n_gates} * hidden_size, hidden_size) "
            "are needed"
        )
    rows = r.shape[1]
    b = inputs["B"]
    b = np.zeros((directions, 2 * rows), np.float32) if b is None else float32(b, "B")
    _check_shape("B", b, (directions, 2 * rows))
    stored = [
        dict(zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), arrays, strict=True))
        for arrays in zip(w, r, b[:, :rows], b[:, rows:], strict=True)
    ]
    if inputs["P"] is not None:
        _check_shape("P", inputs["P"], (directions, 3 * r.shape[2]))
        peepholes = zip(stored, float32(inputs["P"], "P"), strict=True)
        stored = [{**held, "weight_peephole": own} for held, own in peepholes]
    return stored


def _check_shape(name: str, array: NDArray[Any], needed: tuple[int, ...]) -> None:
    if array.shape != needed:
        raise ModelError(f"has {name} of shape {array.shape}; {needed} is needed")


def _entry(operator: str, attributes: Attributes, stored: Sequence[Weights]) -> Operator:
    """How a node says its cell: that of the fewest gates from which its weights follow."""
    silent = SILENT[operator] | {"linear_before_reset": 0}
    stated = {k: v[: len(silent[k])] if k == "activations" else v for k, v in attributes.items()}
    fits = [
        entry
        for entry in NATIVE
        if entry.name == operator
        and all(
            stated.get(k, silent[k]) == entry.attributes.get(k, silent[k])
            for k in ("activations", *entry.attributes)
        )
        and bool(entry.peepholes) == ("weight_peephole" in stored[0])
    ]
    if not fits:
        raise ModelError(f"has peepholes (P), which no {operator} has")
    coupled = (entry for entry in fits if entry.negated)
    follows = (e for e in coupled if all(_follows(held, e.cell) for held in stored))
    return next(follows, fits[0])


def _follows(stored: Weights, cell_name: str) -> bool:
    """Whether the cell's own weights give what is stored, to the bit: 0 is not -0."""
    again = {
        key: to_onnx(array, cell_name, _blocks(key))
        for key, array in _read(stored, cell_name).items()
    }
    return all(array.tobytes() == stored[key].tobytes() for key, array in again.items())


def _read(stored: Weights, cell_name: str) -> Weights:
    """The cell's own weights."""
    return {key: from_onnx(array, cell_name, _blocks(key)) for key, array in stored.items()}


def _blocks(key: str) -> str:
    return "peepholes" if key == "weight_peephole" else "gates"


def signal(value: Any) -> Signal:
    """The value, if it depends on the graph's input."""
    if not isinstance(value, Signal):
        raise ModelError("its input does not depend on the graph's input")
    return value
