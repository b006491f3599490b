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
from edgelstm.formats.description import Arrays, array_name, restore
from edgelstm.formats.signature import FileFacts
from edgelstm.formats.tflite.composed import bias_name, weight_name
from edgelstm.formats.tflite.loop import composed_model
from edgelstm.formats.tflite.metadata import KEY, VERSION
from edgelstm.formats.tflite.model import Model, Tensor, operator_names
from edgelstm.formats.tflite.same import difference
from edgelstm.layers.directions import REVERSE
from edgelstm.model.network import Network, layer_names
from edgelstm.quantization.quantized import QuantizedNetwork

FORMS_OF_TIME = (False, True, "io")


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
            initial_states={state.name: np.zeros(state.shape, state.type) for state in states},
            operators=operator_names(self.model),
            resource_variables=names.count("READ_VARIABLE"),
            starts_anew=not self.streaming,
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
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            f"metadata '{KEY}' do not describe a network ({type(error).__name__}: {error})"
        ) from None
    network = restore(described, arrays)
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
    """Constants by their names."""

    def __init__(self, model: Model, most_bytes: int) -> None:
        self._left = most_bytes
        self._constants: dict[str, Tensor] = {}
        for graph in model.graphs:
            for op in graph.operators:
                for tensor in op.inputs:
                    if tensor is not None and tensor.data is not None:
                        self._constants.setdefault(tensor.name, tensor)

    def described(self, stated: Mapping[str, Any]) -> tuple[dict[str, Any], Arrays]:
        """What `description.restore` takes: a description, and arrays by name."""
        items = list(stated["layers"])
        heads = [str(item.get("cell", "dense")) for item in items if not item.get("reverse")]
        labels, label, layers, arrays = iter(layer_names(heads)), "", [], Arrays()
        for item in items:
            label = label + REVERSE if item.get("reverse") else next(labels)
            add = self._dense if item.get("cell") is None else self._direction
            layers.append(add(label, item, arrays))
        network = {
            "version": VERSION,
            "precision": str(stated["precision"]),
            "last_step": bool(stated.get("last_step")),
            "assumed": [],
            "layers": layers,
            "steps": stated.get("steps"),
            "dropped_softmax": bool(stated.get("dropped_softmax")),
        }
        return network, arrays

    def _dense(self, label: str, item: Mapping[str, Any], arrays: Arrays) -> dict[str, Any]:
        name, weight = str(item["name"]), self._needed(f"{label}/{weight_name('dense', None)}")
        arrays[f"{name}.weight"] = self._taken(weight)
        bias = self._bias(f"{label}/{bias_name('dense', None)}", weight.shape[:1])
        arrays[f"{name}.bias"] = bias
        stated = {"name": name, "cell": None, "activation": item.get("activation")}
        return stated | {"weight_scale": weight.scale, "input": None, "linear": None}

    def _direction(self, label: str, item: Mapping[str, Any], arrays: Arrays) -> dict[str, Any]:
        name, cell_name = str(item["name"]), str(item["cell"])
        if cell_name not in CELLS:
            raise ModelError(f"cell '{cell_name}' is unknown; known: {', '.join(CELLS)}")
        spec = CELLS[cell_name]
        scales: dict[str, float | None] = {}
        for side in ("ih", "hh"):
            named = {g: self._needed(f"{label}/{weight_name(side, g)}") for g in spec.gates}
            biases = [
                self._bias(f"{label}/{bias_name(side, g)}", tensor.shape[:1])
                for g, tensor in named.items()
            ]
            arrays[array_name(name, f"weight_{side}")] = self._stacked(named.values())
            arrays[array_name(name, f"bias_{side}")] = np.concatenate(biases)
            scales |= {f"{side} {g}": tensor.scale for g, tensor in named.items()}
        if f"{label}/{weight_name('hr', None)}" in self._constants:
            projection = self._needed(f"{label}/{weight_name('hr', None)}")
            arrays[array_name(name, "weight_hr")] = self._taken(projection)
        if spec.peepholes:
            rows = [self._needed(f"{label}/weight_peephole_{g}") for g in spec.peepholes]
            arrays[array_name(name, "weight_peephole")] = self._stacked(rows).reshape(-1)
        stated = {"name": name, "cell": cell_name, "cell_clip": item.get("cell_clip", 0.0)}
        stated["reverse"] = bool(item.get("reverse"))
        return stated | {"weight_scales": scales, "scales": {}, "saturation": {}}

    def _needed(self, name: str) -> Tensor:
        if name not in self._constants:
            raise ModelError(f"tensor '{name}', which its metadata need, is not there")
        return self._constants[name]

    def _taken(self, tensor: Tensor) -> NDArray[Any]:
        """A copy of a constant."""
        assert tensor.data is not None
        self._left -= tensor.data.nbytes
        if self._left < 0:
            raise ModelError("its layers name the same constants again and again")
        return np.array(tensor.data, tensor.type, order="C")

    def _bias(self, name: str, shape: tuple[int, ...]) -> NDArray[Any]:
        """One that is not stored is zero."""
        tensor = self._constants.get(name)
        return np.zeros(shape, np.float32) if tensor is None else self._taken(tensor)

    def _stacked(self, tensors: Iterable[Tensor]) -> NDArray[Any]:
        """Gates one after the other: on the first axis, of peepholes on the last."""
        return np.concatenate([self._taken(tensor) for tensor in tensors])
