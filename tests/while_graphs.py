"""Loops of small operators, as TensorFlow 2.21 makes them of Keras 3's LSTMs; edits of them."""

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.formats.tflite.model import Graph, Model, Operator, Tensor
from edgelstm.formats.tflite.pack import pack
from edgelstm.formats.tflite.unpack import default_options, unpack
from edgelstm.layers.recurrent import Direction

FOLDER = pathlib.Path(__file__).resolve().parent / "data" / "while"


def content_of(name: str) -> bytes:
    """A file of tests/while_files.py."""
    return (FOLDER / f"{name}.tflite").read_bytes()


def values_of(name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """x, and the y that Keras gave."""
    with np.load(FOLDER / f"{name}.npz") as held:
        return held["x"], held["y"]


def model_of(name: str) -> Model:
    """With every graph."""
    return unpack(content_of(name), every_graph=True)


def edited(name: str, graph: int, change: Callable[[list[Operator]], None]) -> bytes:
    """A file in one of whose graphs the list of operators is changed."""
    model = model_of(name)
    operators = list(model.graphs[graph].operators)
    change(operators)
    graphs = list(model.graphs)
    graphs[graph] = dataclasses.replace(graphs[graph], operators=tuple(operators))
    return pack(dataclasses.replace(model, graphs=tuple(graphs), signatures=()))


def replaced(place: int, **fields: Any) -> Callable[[list[Operator]], None]:
    """A change of one operator."""

    def change(operators: list[Operator]) -> None:
        operators[place] = dataclasses.replace(operators[place], **fields)

    return change


def fed(operator: int, place: int, tensor: Tensor) -> Callable[[list[Operator]], None]:
    """A change of one input of one operator."""

    def change(operators: list[Operator]) -> None:
        inputs = list(operators[operator].inputs)
        inputs[place] = tensor
        operators[operator] = dataclasses.replace(operators[operator], inputs=tuple(inputs))

    return change


def constant(values: Any, kind: str = "int32", name: str = "constant") -> Tensor:
    """A tensor that holds numbers."""
    array = np.array(values, kind)
    return Tensor(name, array.shape, kind, data=array)


class Lines:
    """Operators on their way into a graph."""

    def __init__(self, name: str) -> None:
        self.name, self.operators, self.n = name, list[Operator](), 0

    def add(
        self, op: str, inputs: list[Any], *shape: int, kind: str = "float32", **options: Any
    ) -> Any:
        """One operator with one result."""
        return self.parts(op, inputs, 1, *shape, kind=kind, **options)[0]

    def parts(
        self,
        op: str,
        inputs: list[Any],
        count: int,
        *shape: int,
        kind: str = "float32",
        **options: Any,
    ) -> list[Any]:
        """One operator with several results."""
        made = [Tensor(f"{self.name}/{self.n + k}", shape, kind) for k in range(count)]
        self.n += count
        options = {**default_options(op), **options}
        self.operators.append(Operator(op, tuple(inputs), tuple(made), options))
        return made


def looped_lstm(place: int, layer: Direction, steps: int) -> tuple[Graph, Graph]:
    """Condition and body of a loop that gives each step's output."""
    hidden, name = layer.hidden_size, f"while{place}"
    kinds = [("int32", ()), ("int32", ()), ("float32", (steps, 1, hidden))]
    kinds += [("float32", (1, hidden))] * 2 + [("float32", (steps, 1, layer.input_size))]

    def inputs() -> tuple[Tensor, ...]:
        return tuple(Tensor(f"{name}/in{k}", s, kind) for k, (kind, s) in enumerate(kinds))

    asked, given, limit = Lines(f"{name}/cond"), inputs(), constant(steps)
    below = [asked.add("LESS", [given[k], limit], kind="bool") for k in (1, 0)]
    holds = asked.add("LOGICAL_AND", below, kind="bool")
    body, taken = Lines(f"{name}/body"), inputs()
    counter, step, array, h, c, x = taken
    weights = [constant(layer.weight_hh, "float32"), constant(layer.weight_ih, "float32")]
    bias = constant(layer.bias_ih + layer.bias_hh, "float32")
    counted = [body.add("ADD", [v, constant(1)], kind="int32") for v in (counter, step)]
    row = body.add("GATHER", [x, step], 1, layer.input_size)
    of_h = body.add("FULLY_CONNECTED", [h, weights[0], None], 1, 4 * hidden)
    of_x = body.add("FULLY_CONNECTED", [row, weights[1], None], 1, 4 * hidden)
    sums = body.add("ADD", [body.add("ADD", [of_x, of_h], 1, 4 * hidden), bias], 1, 4 * hidden)
    i, f, g, o = body.parts("SPLIT", [constant(1), sums], 4, 1, hidden)
    kept = body.add("MUL", [body.add("LOGISTIC", [f], 1, hidden), c], 1, hidden)
    both = [body.add(n, [v], 1, hidden) for n, v in (("LOGISTIC", i), ("TANH", g))]
    new_c = body.add("ADD", [kept, body.add("MUL", both, 1, hidden)], 1, hidden)
    both = [body.add(n, [v], 1, hidden) for n, v in (("LOGISTIC", o), ("TANH", new_c))]
    new_h = body.add("MUL", both, 1, hidden)
    ends = []
    for v, others in ((step, [-1, -1]), (counted[1], [0, 0])):
        alone = body.add("RESHAPE", [v, constant([1])], 1, kind="int32")
        ends.append(body.add("CONCATENATION", [alone, constant(others)], 3, kind="int32"))
    before = body.add("SLICE", [array, constant([0, 0, 0]), ends[0]], 1, 1, 1)
    behind = body.add("SLICE", [array, ends[1], constant([-1, -1, -1])], 1, 1, hidden)
    here = body.add("RESHAPE", [new_h, constant([1, 1, hidden])], 1, 1, hidden)
    whole = body.add("CONCATENATION", [before, here, behind], steps, 1, hidden)
    results = (*counted, whole, new_h, new_c, x)
    return (
        Graph(given, (holds,), tuple(asked.operators), f"{name}_cond"),
        Graph(taken, results, tuple(body.operators), f"{name}_body"),
    )


def looped_network(layers: list[Direction], steps: int) -> bytes:
    """A file of LSTMs one behind the other, which gives each step."""
    x = Tensor("x", (1, steps, layers[0].input_size), "float32")
    main, graphs = Lines("main"), list[Graph]()
    shape = steps, 1, layers[0].input_size
    value = main.add("RESHAPE", [x, constant(shape)], *shape)
    for k, layer in enumerate(layers):
        hidden, zero = layer.hidden_size, constant(0)
        state = constant(np.zeros((1, hidden)), "float32")
        array = constant(np.zeros((steps, 1, hidden)), "float32")
        inputs = (zero, zero, array, state, state, value)
        outputs = tuple(
            dataclasses.replace(t, name=f"out{k}/{n}", data=None) for n, t in enumerate(inputs)
        )
        options = {"condition_graph": 2 * k + 1, "body_graph": 2 * k + 2}
        main.operators.append(Operator("WHILE", inputs, outputs, options))
        graphs += looped_lstm(k, layer, steps)
        value = outputs[2]
    shape = 1, steps, layers[-1].hidden_size
    y = main.add("RESHAPE", [value, constant(shape)], *shape)
    return pack(Model((Graph((x,), (y,), tuple(main.operators)), *graphs)))
