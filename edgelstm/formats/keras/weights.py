"""Where the weights of a layer lie: by class and number in `.keras`, by its name in `.h5`."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.errors import ModelError
from edgelstm.formats.blocks import natural
from edgelstm.formats.keras.config import Described
from edgelstm.formats.keras.hdf5 import WAY_OUT, Hdf5
from edgelstm.formats.tensors import float32
from edgelstm.layers.recurrent import Floats

Arrays = Mapping[str, NDArray[Any]]
# Folders of a model's layers; the second one of Keras 2.13 to 2.15.
FOLDERS = ("layers", "_layer_checkpoint_dependencies")


def snake_case(kind: str) -> str:
    """A class as `.keras` archives write it.

    >>> snake_case("SimpleRNN"), snake_case("GlobalAveragePooling1D"), snake_case("LSTM")
    ('simple_rnn', 'global_average_pooling1d', 'lstm')
    """
    words = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", kind)
    return re.sub("([a-z])([A-Z])", r"\1_\2", words).lower()


class ByClass:
    """Of an archive. Layers of one class are counted, whatever their own names: `lstm`, `lstm_1`.

    Keras 2.13 to 2.15 count through a dictionary in which layers with weights may stand twice
    (`lstm`, `lstm_2`); so what is read is the order of those that hold weights.

    Args:
        file: The weights.
        path: Of the model's group.
        layers: Of the model, in order.
        holding: Whether a layer has weights, by its name.
    """

    def __init__(
        self, file: Hdf5, path: str, layers: Iterable[Described], holding: Mapping[str, bool]
    ) -> None:
        self._file = file
        self._folder = next((f"{path}{f}" for f in FOLDERS if file.has(f"{path}{f}")), "")
        counted: dict[str, list[str]] = {}
        for layer in layers:
            if holding[layer.name]:
                counted.setdefault(layer.kind, []).append(layer.name)
        self._groups: dict[str, str] = {}
        names = file.names(self._folder) if self._folder else []
        for kind, own in counted.items():
            groups = [name for name in names if self._is_of(name, kind)]
            if len(groups) != len(own):
                raise ModelError(
                    f"holds weights of {len(groups)} layers of the class {kind}, and describes "
                    f"{len(own)}; {WAY_OUT}"
                )
            self._groups |= dict(zip(own, groups, strict=True))

    def _is_of(self, name: str, kind: str) -> bool:
        """Whether a group is that of a layer of a class, and holds weights."""
        if not re.fullmatch(re.escape(snake_case(kind)) + "(_[0-9]+)?", name):
            return False
        path = f"{self._folder}/{name}"
        places = ("vars", *(f"{place}/vars" for place in PLACES), *FOLDERS)
        return any(self._file.names(f"{path}/{place}") for place in places)

    def of(self, layer: Described, wanted: Sequence[str]) -> Arrays:
        """Arrays by what they are called here, `cell/kernel`: exactly the wanted ones."""
        path = f"{self._folder}/{self._groups[layer.name]}"
        self._check_name(path, layer)
        found: dict[str, NDArray[Any]] = {}
        for place in dict.fromkeys(name.rpartition("/")[0] for name in wanted):
            own = [name for name in wanted if name.rpartition("/")[0] == place]
            group = "/".join(filter(None, (path, place, "vars")))
            stored = sorted(self._file.names(group), key=natural)
            _check_count(len(stored), own)
            found |= {
                name: self._file.array(f"{group}/{k}") for name, k in zip(own, stored, strict=False)
            }
        return found

    def _check_name(self, path: str, layer: Described) -> None:
        """Keras 3 also writes whose weights they are."""
        said = self._file.texts(f"{path}/vars", "name")
        if said not in (None, [layer.name]):
            raise ModelError(f"its weights are said to be those of '{said[0]:.40}'; {WAY_OUT}")

    def group(self, layer: Described) -> str:
        """The path of a network that is a layer."""
        return f"{self._folder}/{self._groups[layer.name]}/"


# Below a layer's group: of recurrent layers, of both directions, of a layer in a wrapper.
PLACES = ("cell", "forward_layer/cell", "backward_layer/cell", "layer")


class ByName:
    """Of an `.h5` file: each layer's group names its weights in order.

    A model that is a layer has one group for all that is in it. There a name goes through models,
    each of which may be left out, to the layer: `encoder/lstm/lstm_cell/kernel`.

    Args:
        file: Network and weights.
        path: Names of the models, from the outermost in, that these layers stand in.
    """

    def __init__(self, file: Hdf5, path: str) -> None:
        self._file, self._models = file, path.split("/")[:-1]
        self._held: dict[str, dict[int, list[str]]] = {}
        if not file.has("model_weights"):
            raise ModelError(f"holds no group 'model_weights'; {WAY_OUT}")
        for name in self._named(self._models[0]) if self._models else ():
            for layer, rank in self._layers_of(name.split("/")[:-1]).items():
                self._held.setdefault(layer, {}).setdefault(rank, []).append(name)

    def _named(self, group: str) -> list[str]:
        named = self._file.texts(f"model_weights/{group}", "weight_names")
        if named is None:
            raise ModelError(f"holds no weights of it under 'model_weights'; {WAY_OUT}")
        return named

    def _layers_of(self, steps: Sequence[str]) -> dict[str, int]:
        """Layers whose array that may be, each with the innermost model that its name says."""
        found, places = dict.fromkeys(steps[:1], 0), {0}
        for rank, model in enumerate(self._models, 1):
            behind = {k + 1 for k in places if steps[k : k + 1] == [model]} - places
            found |= {steps[k]: rank for k in behind if k < len(steps)}
            places |= behind
        return found

    def of(self, layer: Described, wanted: Sequence[str]) -> Arrays:
        """As `ByClass.of`."""
        group = self._models[0] if self._models else layer.name
        named = self._of_inner(layer) if self._models else self._named(group)
        _check_count(len(named), wanted)
        found = {}
        for name, stored in zip(wanted, named, strict=False):
            role = stored.rpartition("/")[2].partition(":")[0]
            if role in ROLES and role != name.rpartition("/")[2].rstrip("?"):
                raise ModelError(f"its weights are {', '.join(named)[:120]}, in an order not known")
            found[name] = self._file.array(f"model_weights/{group}/{stored}")
        return found

    def _of_inner(self, layer: Described) -> list[str]:
        """Those of a layer in a model in a model."""
        by_rank = self._held.get(layer.name, {})
        if len(by_rank) > 1:
            raise ModelError(
                "is called like another layer or model around it, and .h5 does not keep their "
                "weights apart; save it as .keras: model.save('model.keras')"
            )
        return [name for names in by_rank.values() for name in names]

    def group(self, layer: Described) -> str:
        """The path of a network that is a layer."""
        if "/" in layer.name:
            raise ModelError("is called by a path, which weights in .h5 are named by; rename it")
        return "".join(f"{name}/" for name in (*self._models, layer.name))


ROLES = (
    *("kernel", "recurrent_kernel", "bias", "embeddings"),
    *("gamma", "beta", "moving_mean", "moving_variance", "mean", "variance", "count"),
)


def _check_count(n: int, wanted: Sequence[str]) -> None:
    needed = sum(not name.endswith("?") for name in wanted)
    if not needed <= n <= len(wanted):
        names = ", ".join(name.rpartition("/")[2] for name in wanted)
        raise ModelError(f"has {n} arrays of weights; {len(wanted)} are needed: {names}")


def matrix(arrays: Arrays, name: str, columns: int) -> Floats:
    """A kernel, turned: Keras keeps the outputs as columns, layers here as rows."""
    array = arrays[name]
    if array.ndim != 2 or array.shape[1] != columns:
        raise ModelError(f"{name} has shape {array.shape}; (inputs, {columns}) is needed")
    return np.ascontiguousarray(float32(array, name).T)


def vector(arrays: Arrays, name: str, shape: Sequence[int]) -> Floats:
    """Numbers of exactly this shape."""
    array = arrays[name]
    if array.shape != tuple(shape):
        raise ModelError(f"{name} has shape {array.shape}; {tuple(shape)} is needed")
    return float32(array, name)
