"""From a .tflite file of step graphs, as edgelstm writes them, to a network.

Weights are found by the names of their tensors, and the metadata say what belongs to them. The file
must then hold exactly what would be written of that network: no other graph is run for it.
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.cells import CELLS
from edgelstm.errors import ModelError
from edgelstm.formats.description import Arrays, array_name
from edgelstm.formats.restored import restore
from edgelstm.formats.signature import FileFacts
from edgelstm.formats.tflite import around
from edgelstm.formats.tflite.fused import BEHIND
from edgelstm.formats.tflite.guards import refusals
from edgelstm.formats.tflite.largest import start_of
from edgelstm.formats.tflite.loop import composed_model
from edgelstm.formats.tflite.metadata import KEY, VERSION
from edgelstm.formats.tflite.model import Model, Tensor, operator_names
from edgelstm.formats.tflite.same import difference
from edgelstm.formats.tflite.step import bias_name, weight_name
from edgelstm.layers.directions import REVERSE
from edgelstm.layers.recurrent_sizes import RecurrentSizes
from edgelstm.model.network import Network, layer_names
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.quantized_direction import weight_key

FORMS_OF_TIME = (False, True, "io")
Stated = list[Any] | None  # a scale, as a description states it
Item = Mapping[str, Any]  # what the metadata say of a layer
Added = tuple[dict[str, Any], Stated]  # its description, and the scale of what goes out


@dataclasses.dataclass(frozen=True, eq=False)
class Composed:
    """What a file holds.

    Attributes:
        network: As it was written.
        streaming: In which form of time.
        model: Its graphs.
    """

    network: Network | QuantizedNetwork
    streaming: bool | str
    model: Model

    @property
    def facts(self) -> FileFacts:
        """How the file is called."""
        serving = self.model.graphs[0]
        x, *states = serving.inputs
        names = [op.name for op in serving.operators]
        return FileFacts(
            x.shape[1],
            x.type,
            serving.outputs[0].type,
            streaming=bool(self.streaming),
            initial_states={state.name: start_of(state) for state in states},
            operators=operator_names(self.model),
            resource_variables=names.count("READ_VARIABLE"),
            starts_anew=not self.streaming,
            refused_by=refusals(self.model),
        )


def read_composed(model: Model, steps: int, most_bytes: int) -> Composed:
    """The network of a file whose metadata have the entry `KEY`.

    Args:
        model: With every graph and signature.
        steps: Of its input.
        most_bytes: That the weights may have.

    Raises:
        ModelError: The entry is malformed, weights are missing, or the file computes another
            network than the one that is stated.
    """
    stated = _stated(model.metadata[KEY])
    streaming = stated.get("streaming", False)
    if streaming not in FORMS_OF_TIME or (streaming and steps != 1):
        raise ModelError(f"metadata '{KEY}': streaming is {streaming!r} of {steps} steps")
    try:
        described, arrays = _Weights(model, most_bytes).described(stated)
    except ModelError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            f"metadata '{KEY}' do not describe a network ({type(error).__name__}: {error})"
        ) from None
    network = restore(described, arrays)
    if network.fixed_steps not in (None, steps):
        raise ModelError(f"it has {steps} steps, but its layers read {network.fixed_steps}")
    if told := difference(composed_model(network, steps, streaming), model):
        raise ModelError(f"its graphs are not those of the network in its metadata: {told}")
    return Composed(network, streaming, model)


def _stated(entry: bytes) -> Any:
    try:
        stated = json.loads(entry)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"metadata '{KEY}' are not JSON: {error}") from None
    if not isinstance(stated, dict) or stated.get("version") != VERSION:
        raise ModelError(f"metadata '{KEY}' are not of version {VERSION}, which is read")
    return stated


class _Weights:
    """Tensors by their names."""

    def __init__(self, model: Model, most_bytes: int) -> None:
        self._left = most_bytes
        self._tensors: dict[str, Tensor] = {}
        for graph in model.graphs:
            for op in graph.operators:
                for tensor in (*graph.inputs, *op.inputs, *op.outputs):
                    if tensor is not None and tensor.data is None:
                        self._tensors.setdefault(tensor.name, tensor)
                    elif tensor is not None:
                        self._tensors[tensor.name] = tensor
        self._input = _stated_scale(model.graphs[0].inputs[0])
        self._n_recurrent = 0

    def described(self, stated: Mapping[str, Any]) -> tuple[dict[str, Any], Arrays]:
        """What `restore` takes: a description, and arrays by name."""
        items = list(stated["layers"])
        heads = [_counted_as(item) for item in items if not item.get("reverse")]
        labels, label, layers, arrays = iter(layer_names(heads)), "", [], Arrays()
        into = output = self._input
        for item in items:
            is_reverse = bool(item.get("reverse"))
            label, into = (label + REVERSE, into) if is_reverse else (next(labels), output)
            add = self._direction if item.get("cell") else getattr(self, ADDED[item.get("kind")])
            made, output = add(label, item, arrays, into)
            layers.append(made)
        network = {
            "version": VERSION,
            "precision": str(stated["precision"]),
            "form": stated.get("form"),
            "last_step": bool(stated.get("last_step")),
            "assumed": [],
            "layers": layers,
            "steps": stated.get("steps"),
            "dropped_softmax": bool(stated.get("dropped_softmax")),
            "input_mean": self._row(around.MEAN, stated.get("input_mean")),
            "input_std": self._row(around.STD, stated.get("input_std")),
            "masked": stated.get("masked"),
        }
        if "between" in stated:
            network["between"] = list(stated["between"])
        return network, arrays

    def _row(self, name: str, stated: Any) -> Any:
        """Of a constant if there is one, else as the metadata state it."""
        return (
            self._taken(self._tensors[name]).ravel().tolist() if name in self._tensors else stated
        )

    def _embedding(self, label: str, item: Item, arrays: Arrays, into: Stated) -> Added:
        """Rows of integers stand for real ones."""
        table = self._constant(f"{label}/{weight_name('dense', None)}")
        stored, scale = self._taken(table), 1.0 if table.scale is None else table.scale
        arrays[f"{item['name']}.weight"] = (stored.astype(np.float64) * scale).astype(np.float32)
        return dict(item) | {"cell": None}, _stated_scale(table)

    def _activation(self, label: str, item: Item, arrays: Arrays, into: Stated) -> Added:
        numbers = item.get("numbers", [])
        self._spend(4 * int(item["size"]) * len(numbers))  # rows that it is written with
        stated = dict(item) | {"cell": None, "numbers": numbers}
        if into is None:
            return stated, None
        activated = self._scale(f"{label}/activated") or into
        narrowed = self._scale(f"{label}/activated_narrow")
        stated |= {"input": into, "activated": activated, "narrowed": narrowed}
        return stated, narrowed or activated

    def _layer_norm(self, label: str, item: Item, arrays: Arrays, into: Stated) -> Added:
        for name in ("weight", "bias"):
            constant = self._constant(f"{label}/{name}")
            arrays[f"{item['name']}.{name}"] = self._taken(constant).ravel()
        return dict(item) | {"cell": None, "eps": item.get("eps", 0.0)}, into

    def _dense(self, label: str, item: Item, arrays: Arrays, into: Stated) -> Added:
        name, weight = str(item["name"]), self._constant(f"{label}/{weight_name('dense', None)}")
        arrays[f"{name}.weight"] = self._taken(weight)
        bias = self._bias(f"{label}/{bias_name('dense', None)}", weight.shape[:1], into)
        arrays[f"{name}.bias"] = bias
        activation = item.get("activation")
        stated = {"name": name, "cell": None, "activation": activation, "input": into}
        stated |= {"weight_scale": weight.scale, "linear": self._scale(f"{label}/linear")}
        if into is None:
            return stated | {"linear": None}, None
        result = "activated" if activation in BEHIND else "linear"
        narrowed = self._scale(f"{label}/{result}_narrow")
        if narrowed is not None:
            stated["narrowed"] = narrowed
        return stated, narrowed or self._scale(f"{label}/{result}")

    def _direction(self, label: str, item: Item, arrays: Arrays, into: Stated) -> Added:
        name, cell_name = str(item["name"]), str(item["cell"])
        if cell_name not in CELLS:
            raise ModelError(f"cell '{cell_name}' is unknown; known: {', '.join(CELLS)}")
        nonlinearity = str(item.get("nonlinearity", "tanh"))
        spec = CELLS[cell_name].using(nonlinearity)
        weight_scales: dict[str, float | None] = {}
        for side in ("ih", "hh"):
            named = {g: self._constant(f"{label}/{weight_name(side, g)}") for g in spec.gates}
            biases = [
                self._bias(f"{label}/{bias_name(side, g)}", tensor.shape[:1], into)
                for g, tensor in named.items()
            ]
            arrays[array_name(name, f"weight_{side}")] = self._stacked(named.values())
            arrays[array_name(name, f"bias_{side}")] = np.concatenate(biases)
            weight_scales |= {weight_key(side, g): tensor.scale for g, tensor in named.items()}
        projection = self._tensors.get(f"{label}/{weight_name('hr', None)}")
        if projection is not None:
            arrays[array_name(name, "weight_hr")] = self._taken(projection)
            weight_scales[weight_key("hr", None)] = projection.scale
        rows = {g: self._constant(f"{label}/weight_peephole_{g}") for g in spec.peepholes}
        if rows:
            arrays[array_name(name, "weight_peephole")] = self._stacked(rows.values(), -1).ravel()
        if into is not None:
            weight_scales |= {weight_key("peephole", g): row.scale for g, row in rows.items()}
        stated = {"name": name, "cell": cell_name, "cell_clip": item.get("cell_clip", 0.0)}
        stated |= {"nonlinearity": nonlinearity, "reverse": bool(item.get("reverse"))}
        sizes = RecurrentSizes(spec, 1, 1, int(projection is not None), stated["cell_clip"] > 0)
        scales = {} if into is None else self._scales(label, sizes, into)
        stated |= {"weight_scales": weight_scales, "scales": scales, "saturation": {}}
        return stated, scales.get(spec.states[0])

    def _scales(self, label: str, sizes: RecurrentSizes, into: Stated) -> dict[str, Stated]:
        """Of every value of a direction: those of its tensors."""
        made = sizes.operations
        scales = {"x": into}
        for state in made.states:
            scales[state] = self._scale(f"{label}/{state}_start") or self._scale(
                f"{state}{self._n_recurrent}"
            )
        self._n_recurrent += 1
        return scales | {op.result: self._scale(f"{label}/{op.result}") for op in made.ops}

    def _constant(self, name: str) -> Tensor:
        if name not in self._tensors:
            raise ModelError(f"tensor '{name}', which its metadata need, is not there")
        return self._tensors[name]

    def _scale(self, name: str) -> Stated:
        return _stated_scale(self._tensors[name]) if name in self._tensors else None

    def _taken(self, tensor: Tensor) -> NDArray[Any]:
        """A copy of a constant."""
        if tensor.data is None:
            raise ModelError(f"tensor '{tensor.name}' is no constant of a type that is read")
        self._spend(tensor.data.nbytes)
        return np.array(tensor.data, tensor.type, order="C")

    def _spend(self, n_bytes: int) -> None:
        self._left -= n_bytes
        if self._left < 0:
            raise ModelError("its layers name the same constants again and again")

    def _bias(self, name: str, shape: tuple[int, ...], into: Stated) -> NDArray[Any]:
        """One that is not stored is zero."""
        if name in self._tensors:
            return self._taken(self._tensors[name])
        return np.zeros(shape, np.float32 if into is None else np.int64)

    def _stacked(self, tensors: Iterable[Tensor], axis: int = 0) -> NDArray[Any]:
        """Gates one after the other."""
        return np.concatenate([self._taken(tensor) for tensor in tensors], axis)


# Kind of a layer without a cell to what reads its numbers.
ADDED = {
    None: "_dense",
    "embedding": "_embedding",
    "activation": "_activation",
    "layer_norm": "_layer_norm",
}


def _counted_as(item: Mapping[str, Any]) -> str:
    return str(item.get("cell") or item.get("kind") or "dense")


def _stated_scale(tensor: Tensor) -> Stated:
    """As a description states it; None of real values."""
    if tensor.scale is None:
        return None
    return [tensor.scale, tensor.zero_point, tensor.type]
