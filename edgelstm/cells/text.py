"""A cell's equations as text, from its recorded operations: what tables put beside the numbers."""

from edgelstm.cells import CELLS
from edgelstm.cells.spec import Op, trace

_SIGN = {"add": "+", "sub": "-"}


def equations(cell_name: str, projected: bool = False) -> dict[str, tuple[str, ...]]:
    """Gate to its equation, and `cell` to those of the states; biases are left out.

    >>> equations("lstm")["i"], equations("lstm")["cell"]
    (('i = sigmoid(W_i x + U_i h)',), ('c = f * c + i * g', 'h = o * tanh(c)'))
    >>> equations("gru")["n"]
    ('n = tanh(W_n x + r * U_n h)',)
    """
    traced, spec = trace(CELLS[cell_name]), CELLS[cell_name]
    texts = {name: name for name in ("x", *spec.states)}
    leads_to: dict[str, str | None] = {}
    state_of = dict(zip(traced.new_states, spec.states, strict=True))
    rows: dict[str, tuple[str, ...]] = {gate: () for gate in (*spec.gates, "cell")}
    for op in traced.ops:
        gate = op.gate or next((leads_to[a] for a in op.args if leads_to.get(a)), None)
        text = _text(op, texts)
        if op.kind in ("sigmoid", "tanh") and gate:
            rows[gate], text = (f"{gate} = {text}",), gate
        else:
            leads_to[op.result] = gate
        if op.result in state_of:
            state = state_of[op.result]
            rows["cell"], text = (*rows["cell"], f"{state} = {text}"), state
        texts[op.result] = text
    if projected:
        rows["cell"] = (*rows["cell"], f"{spec.states[0]} = W_hr {spec.states[0]}")
    return rows


def _text(op: Op, texts: dict[str, str]) -> str:
    args = [texts[a] for a in op.args]
    if op.side:
        return f"{'W' if op.side == 'ih' else 'U'}_{op.gate} {_factor(args[0])}"
    if op.kind == "scale":
        return f"p_{op.gate} * {args[0]}"
    if op.kind == "complement":
        return f"1 - {args[0]}"
    if op.kind == "mul":
        return " * ".join(map(_factor, args))
    if op.kind in _SIGN:
        return f"{args[0]} {_SIGN[op.kind]} {args[1]}"
    return f"{op.kind}({args[0]})"


def _factor(text: str) -> str:
    """In brackets if it is a sum, or a product of names behind a matrix."""
    bare = "(" not in text and any(f" {sign} " in text for sign in "+-*")
    return f"({text})" if bare else text
