"""Whether a file holds exactly the model that it should: where the first difference is."""

from typing import Any

from edgelstm.formats.tflite.model import Graph, Model, Operator, Signature, Tensor
from edgelstm.formats.tflite.unpack import default_options


def difference(expected: Model, got: Model) -> str | None:
    """What of a model is not as expected, in one line; None if all is.

    Tensors are the same if they stand in the same places, with the same shapes, types, scales and
    constants; only those without a constant may have other names.
    """
    if len(expected.graphs) != len(got.graphs):
        return f"it has {len(got.graphs)} graphs; {len(expected.graphs)} are needed"
    keys = [[signature.key for signature in model.signatures] for model in (expected, got)]
    if keys[0] != keys[1]:
        return f"its signatures are {', '.join(keys[1])}; {', '.join(keys[0])} are needed"
    matched: list[Matched] = []
    for wanted, found in zip(expected.graphs, got.graphs, strict=True):
        matched.append(Matched())
        if told := _graphs(wanted, found, matched[-1]):
            return f"graph '{wanted.name}': {told}"
    for signature, other in zip(expected.signatures, got.signatures, strict=True):
        if told := _signatures(signature, other, matched):
            return f"signature '{signature.key}' {told}"
    return None


class Matched:
    """Expected tensors of a graph, and those in their places."""

    def __init__(self) -> None:
        self.found: dict[int, Tensor | None] = {id(None): None}
        self._taken: set[int] = set()

    def place(self, expected: Tensor, got: Tensor | None) -> str | None:
        """Notes which tensor stands in a place; says why it cannot."""
        if id(expected) in self.found:
            same = self.found[id(expected)] is got
            return None if same else f"another tensor stands in the place of '{expected.name}'"
        if id(got) in self._taken:
            return f"a tensor of another place stands in that of '{expected.name}'"
        if told := _tensor(expected, got):
            return f"tensor '{expected.name}' {told}"
        self.found[id(expected)] = got
        self._taken.add(id(got))
        return None


def _graphs(expected: Graph, got: Graph, matched: Matched) -> str | None:
    if told := _tensors(expected.inputs, got.inputs, matched):
        return f"its inputs: {told}"
    if len(expected.operators) != len(got.operators):
        return f"it has {len(got.operators)} operators; {len(expected.operators)} are needed"
    for k, (wanted, found) in enumerate(zip(expected.operators, got.operators, strict=True)):
        if told := _operators(wanted, found, matched):
            return f"operator {k} ({wanted.name}): {told}"
    if told := _tensors(expected.outputs, got.outputs, matched):
        return f"its outputs: {told}"
    return None


def _operators(expected: Operator, got: Operator, matched: Matched) -> str | None:
    if (expected.name, expected.version) != (got.name, got.version):
        return f"{got.name} version {got.version} stands in its place"
    options = default_options(expected.name) | dict(expected.options)
    for name, value in options.items():
        if got.options.get(name) != value:
            return f"its {name} is {got.options.get(name)!r}; {value!r} is needed"
    ends = "inputs", "outputs", "intermediates"
    told = (_tensors(getattr(expected, end), getattr(got, end), matched) for end in ends)
    return next((text for text in told if text), None)


def _tensors(expected: tuple[Any, ...], got: tuple[Any, ...], matched: Matched) -> str | None:
    """Each in the place where it stood before; one that is new is compared."""
    if len(expected) != len(got):
        return f"it has {len(got)} tensors; {len(expected)} are needed"
    told = (matched.place(*pair) for pair in zip(expected, got, strict=True))
    return next((text for text in told if text), None)


def _tensor(expected: Tensor, got: Tensor | None) -> str | None:
    if got is None:
        return "is absent"
    for name in ("shape", "type", "scale", "zero_point", "is_variable", "per_channel", "sparse"):
        value, found = getattr(expected, name), getattr(got, name)
        if value != found:
            return f"has {name} {found}; {value} is needed"
    if expected.data is None and got.data is None:
        return None
    if expected.data is None or got.data is None:
        return "is a constant" if expected.data is None else "is no constant"
    if expected.name != got.name:
        return f"is called '{got.name}'"
    return None if expected.data.tobytes() == got.data.tobytes() else "holds other values"


def _signatures(expected: Signature, got: Signature, matched: list[Matched]) -> str | None:
    if expected.graph != got.graph:
        return f"is of graph {got.graph}; {expected.graph} is needed"
    for end in ("inputs", "outputs"):
        wanted, found = getattr(expected, end), getattr(got, end)
        tensors = {name: matched[expected.graph].found[id(t)] for name, t in wanted.items()}
        if list(tensors) != list(found) or any(tensors[n] is not found[n] for n in tensors):
            return f"has other {end}: {', '.join(found) or 'none'}"
    return None
