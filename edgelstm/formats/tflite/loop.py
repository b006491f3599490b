"""From a network to a .tflite file of step graphs, in each of three forms of time.

A whole sequence is a WHILE loop whose body holds all layers up to the last recurrent one. A stream
is one step: its states are resource variables, or inputs and outputs. Every value of a step has the
shape (1, 1, size), so that no operator has to change shapes between steps.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from edgelstm.formats.tflite import around, largest
from edgelstm.formats.tflite.around import integers
from edgelstm.formats.tflite.fused import described
from edgelstm.formats.tflite.integer import integer_step
from edgelstm.formats.tflite.metadata import KEY, encode_stated
from edgelstm.formats.tflite.model import RESET, SERVING, Graph, Model, Operator, Signature, Tensor
from edgelstm.formats.tflite.real import real_step
from edgelstm.formats.tflite.rules import check_rules
from edgelstm.formats.tflite.stages import stages
from edgelstm.formats.tflite.step import Block, Step, assign, variable
from edgelstm.layers.directions import REVERSE, is_bidirectional
from edgelstm.layers.read_steps import ReadSteps, Repeat
from edgelstm.layers.recurrent import Recurrent
from edgelstm.layers.reverse_steps import ReverseSteps
from edgelstm.model.network import Network, layer_names
from edgelstm.quantization.quantized import QuantizedNetwork

AnyNetwork = Network | QuantizedNetwork
COUNTER = Tensor("t", (1,), "int32")
FILLED = {"int16": "int8"}
LAST, FINALS = ("last",), ("finals",)  # what needs no array of all steps


def composed_model(network: AnyNetwork, steps: int, streaming: bool | str) -> Model:
    """A network as step graphs.

    Args:
        network: Of real values, or of integers in the composed form.
        steps: Of a call: x is (1, steps, input_size).
        streaming: False, True (states in resource variables, which the signature `reset` sets to
            their start) or "io" (states as the inputs `h0`, ... and the outputs `h0_out`, ..., all
            of them (1, 1, size)).
    """
    writer = _Writer(labelled(network), around.labels(network.layers))
    x = around.input_tensor(network, steps)
    inputs, outputs = {"x": x}, {}
    if streaming == "io":
        states = {name: state for name, _, state in numbered_states(writer.steps.values())}
        kept = largest.states(network, writer.labels)
        states |= {f"max{k}": state for k, state in enumerate(kept)}
        states = {name: dataclasses.replace(s, name=name) for name, s in states.items()}
        y, new = writer.one_step(network, x, tuple(states.values()))
        # CompiledModel fills one buffer alone where one tensor is two outputs.
        outputs["y"] = (
            around.reshaped(writer.main, y, "y", y.shape) if any(y is h for h in new) else y
        )
        inputs |= states
        outputs |= {f"{name}_out": state for name, state in zip(states, new, strict=True)}
    elif streaming:
        outputs["y"] = writer.with_variables(network, x)
    else:
        outputs["y"] = writer.whole(network, x)
    main = Graph(tuple(inputs.values()), tuple(outputs.values()), tuple(writer.main.operators))
    signatures = [Signature(SERVING, 0, inputs, outputs), *writer.signatures]
    metadata = {KEY: encode_stated(network, streaming)}
    graphs = (main, *writer.graphs)
    model = Model(graphs, tuple(signatures), described(network, steps), metadata)
    if network.input is not None:
        check_rules(model)
    return model


def labelled(network: AnyNetwork) -> dict[str, Step]:
    """Every part by its own name, with a label for its tensors: as `layer_names` counts them."""
    made = real_step if network.input is None else integer_step
    layers = [layer for layer in network.behind.layers if layer.parts]
    kinds = (layer.cell_name if isinstance(layer, Recurrent) else layer.kind for layer in layers)
    return {
        part.name: made(label + REVERSE * place, part)
        for label, layer in zip(layer_names(kinds), layers, strict=True)
        for place, part in enumerate(layer.parts)
    }


def numbered_states(steps: Iterable[Step]) -> list[tuple[str, Step, Tensor]]:
    """Every state as an input, `h0`, `c0`, `h1`, ..., numbered by recurrent layer as in .onnx."""
    recurrent = [step for step in steps if step.states]
    return [
        (f"{name}{k}", step, dataclasses.replace(state, name=f"{name}{k}"))
        for k, step in enumerate(recurrent)
        for name, state in zip(step.state_sizes, step.states, strict=True)
    ]


class _Writer:
    """Adds layers to the graphs of a file.

    Attributes:
        steps: Name of a part to its operators.
        labels: Of what is read of the steps, and of repetitions.
        main: The graph that is called.
        graphs, signatures: Beside that.
    """

    def __init__(self, steps: dict[str, Step], labels: dict[Any, str]) -> None:
        self.steps, self.labels = steps, labels
        self.main = Block({})
        self.table: Any = None  # the network whose rows a loop looks up
        self.graphs: list[Graph] = []
        self.signatures: list[Signature] = []

    def _block(self) -> Block:
        """Of another graph."""
        return Block(self.main.constants)

    # ---- one step

    def one_step(
        self, network: AnyNetwork, x: Tensor, states: Sequence[Tensor]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """All layers on one step; gives the result and the new states."""
        y, left = around.entered(self.main, network, x), list(states)
        after: list[Tensor] = []
        for layer in network.behind.layers:
            if isinstance(layer, ReadSteps):
                known = {}
                if "max" in layer.reads:
                    known["max"] = largest.larger(self.main, left.pop(0), y)
                    after.append(known["max"])
                y = around.read_steps(self.main, layer, self.labels[layer], y, known)
                continue
            step = self.steps[layer.name]
            now, left = left[: len(step.states)], left[len(step.states) :]
            y, new = step.add(self.main, y, now)
            after += new
        return y, tuple(after)

    def with_variables(self, network: AnyNetwork, x: Tensor) -> Tensor:
        """One step, whose states stay in resource variables from call to call.

        CALL_ONCE sets them to their start before the first call; so does the signature `reset`,
        whose one output is there because a signature needs one.
        """
        own = [state for step in self.steps.values() for state in step.states]
        maxima = largest.states(network, self.labels)
        held = [*own, *(kept for state in maxima for kept in largest.variables(state))]
        starts = [
            self.main.constant(f"{t.name}_start", np.zeros(t.shape, t.type), t.scale) for t in held
        ]
        self.main.operators.append(Operator("CALL_ONCE", (), (), {"init_graph": 1}))
        read = [
            self.main.add("READ_VARIABLE", [variable(self.main, state)], state) for state in held
        ]
        states = largest.from_variables(self.main, maxima, read)
        y, new = self.one_step(network, x, states)
        after = largest.to_variables(self.main, maxima, new)
        for state, value in zip(held, after, strict=True):
            assign(self.main, state, value)
        for name, outputs in (("start", ()), (RESET, tuple(starts[:1]))):
            block = self._block()
            for state, start in zip(held, starts, strict=True):
                assign(block, state, start)
            self.graphs.append(Graph((), outputs, tuple(block.operators), name))
        done = {start.name: start for start in starts[:1]}
        self.signatures.append(Signature(RESET, len(self.graphs), {}, done))
        return y

    # ---- whole sequences

    def whole(self, network: AnyNetwork, x: Tensor) -> Tensor:
        """All layers on a whole sequence, from states at their start."""
        in_order = stages(network.behind.layers)
        y = self._entered(network, x, in_order[0])
        for stage, following in zip(in_order, (*in_order[1:], [None]), strict=True):
            layer, reads = stage[0], getattr(following[0], "reads", None)
            if isinstance(layer, Repeat):
                y = around.repeated(self.main, layer, self.labels[layer], y)
            elif isinstance(layer, ReadSteps):
                y = around.read_steps(self.main, layer, self.labels[layer], y)
            elif isinstance(layer, ReverseSteps):
                y = self._reversed(y, f"{y.name}/reversed")
            elif is_bidirectional(layer):
                y = self._both(layer, y, reads)
            elif any(isinstance(layer, Recurrent) for layer in stage):
                y = self._loop([self.steps[layer.name] for layer in stage], y, every=reads != LAST)
            else:
                y, _ = self.steps[layer.name].add(self.main, y)
        return y

    def _entered(self, network: AnyNetwork, x: Tensor, first: Sequence[Any]) -> Tensor:
        """x as the first layers take it: a loop looks rows of int16 up itself."""
        if not around.slices_rows(network):
            return around.entered(self.main, network, x)
        self.table = network
        if is_bidirectional(first[0]) or not any(isinstance(layer, Recurrent) for layer in first):
            return self._loop([around.rows_step(network)], x, every=True)
        return x

    def _both(self, layer: Recurrent[Any], x: Tensor, reads: tuple[str, ...] | None) -> Tensor:
        """Each direction a loop, the backward one between two REVERSE_V2, and a CONCATENATION.

        Where the last step alone is read behind it, the backward direction has seen that step
        alone; where the final states are, it has seen all, and nothing is turned back.
        """
        forward, backward = (self.steps[part.name] for part in layer.directions)
        every = reads not in (LAST, FINALS)
        outputs = [self._loop([forward], x, every=every)]
        if reads == LAST:
            last = integers(self.main, f"{backward.label}/last", 0, x.shape[1] - 1, 0)
            row = self._row(self.main, x, last)
            outputs.append(backward.add(self.main, row, backward.start(self.main))[0])
        else:
            turned = self._reversed(x, f"{backward.label}/x")
            back = self._loop([backward], turned, every=every)
            outputs.append(self._reversed(back, f"{backward.label}/out") if every else back)
        return around.joined(self.main, outputs, f"{forward.label}/both")

    def _reversed(self, values: Tensor, name: str) -> Tensor:
        """REVERSE_V2 of the steps."""
        axis, result = integers(self.main, "steps_axis", 1), dataclasses.replace(values, name=name)
        return self.main.add("REVERSE_V2", [values, axis], result, version=3)

    def _loop(self, steps: Sequence[Step], x: Tensor, *, every: bool) -> Tensor:
        """WHILE over the steps of x; gives the last layer's output at each step, or the last.

        Variables of the loop are the step's number, all of x, every state and, for each step, the
        array of outputs.
        """
        output = steps[-1].output((1, x.shape[1]))
        array = (dataclasses.replace(output, name="out"),) if every else ()
        variables = (COUNTER, x, *(state for step in steps for state in step.states), *array)
        starts = [integers(self.main, "zero", 0), x]
        starts += [start for step in steps for start in step.start(self.main)]
        starts += [self._filled(tensor) for tensor in array]
        number = len(self.graphs) + 1
        ends = _copies(variables, f"loop{number}/")
        graphs = {"condition_graph": number, "body_graph": number + 1}
        self.main.operators.append(Operator("WHILE", tuple(starts), ends, graphs))
        self.graphs += [self._condition(variables), self._body(steps, variables, every=every)]
        return ends[-1 if every else -len(steps[-1].states)]

    def _filled(self, array: Tensor) -> Tensor:
        """FILL with zeros, which then need no flash."""
        shape = integers(self.main, f"{array.name}_{'_'.join(map(str, array.shape))}", *array.shape)
        # TFLM fills no int16: bytes are filled, and made wide.
        narrow = dataclasses.replace(array, name="filled", type=FILLED.get(array.type, array.type))
        name = f"nothing_{narrow.type}_{array.scale}"
        nothing = self.main.constant(name, np.zeros((), narrow.type), array.scale)
        filled = self.main.add("FILL", [shape, nothing], narrow)
        if narrow.type == array.type:
            return filled
        return self.main.add("CAST", [filled], dataclasses.replace(array, name="filled_wide"))

    def _condition(self, variables: Sequence[Tensor]) -> Graph:
        inputs, block = _copies(variables), self._block()
        steps = variables[1].shape[1]
        limit = integers(self.main, f"steps_{steps}", steps)
        goes_on = block.add("LESS", [inputs[0], limit], Tensor("goes_on", (1,), "bool"))
        return Graph(inputs, (goes_on,), tuple(block.operators), "condition")

    def _body(self, steps: Sequence[Step], variables: Sequence[Tensor], *, every: bool) -> Graph:
        inputs, block = _copies(variables), self._block()
        t, x, *left = inputs
        place = Tensor("place", (3,), COUNTER.type)
        zero = integers(self.main, "zero", 0)
        if every or x.type != "int32":
            block.add("CONCATENATION", [zero, t, zero], place, {"axis": 0})
        if x.type == "int32":
            y = around.row_at(block, self.table, x, t)
        else:
            y = self._row(block, x, place)
        after: list[Tensor] = []
        for step in steps:
            now, left = left[: len(step.states)], left[len(step.states) :]
            y, new = step.add(block, y, now)
            after += new
        if every:
            written = dataclasses.replace(left[0], name="out_next")
            after.append(block.add("DYNAMIC_UPDATE_SLICE", [left[0], y, place], written))
        later = dataclasses.replace(COUNTER, name="t_next")
        block.add("ADD", [t, integers(self.main, "one", 1)], later)
        return Graph(inputs, (later, x, *after), tuple(block.operators), "body")

    def _row(self, block: Block, x: Tensor, place: Tensor) -> Tensor:
        """SLICE of one step of x."""
        size = x.shape[-1]
        row = dataclasses.replace(x, name="row", shape=(1, 1, size))
        inputs = x, place, integers(self.main, f"row_{size}", 1, 1, size)
        return block.add("SLICE", inputs, row, version=around.SLICE_VERSIONS[x.type])


def _copies(tensors: Iterable[Tensor], before: str = "") -> tuple[Tensor, ...]:
    """The same as tensors of another graph."""
    return tuple(dataclasses.replace(t, name=before + t.name) for t in tensors)
