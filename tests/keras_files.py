"""Models of Keras 3 (torch backend) with random weights, their files, and those of Keras 2."""

import copy
import io
import json
import os
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from edgelstm.formats import read
from edgelstm.model.forward import forward
from edgelstm.model.network import Network

os.environ["KERAS_BACKEND"] = "torch"
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    keras: Any = pytest.importorskip("keras", reason="pip install keras")
layers: Any = keras.layers
Array = NDArray[Any]

INPUTS, STEPS = 4, 6
TOLERANCE = 1e-5  # float32 sums of up to 30 steps in Keras


def sequential(*made: Any, shape: Sequence[int | None] = (None, INPUTS), seed: int = 0) -> Any:
    """A model of these layers, with random weights."""
    return randomised(keras.Sequential([keras.Input(tuple(shape)), *made]), seed)


def functional(
    call: Callable[[Any], Any],
    shape: Sequence[int | None] = (None, INPUTS),
    dtype: str = "float32",
    seed: int = 0,
) -> Any:
    """A model of what a function makes of an input."""
    x = keras.Input(tuple(shape), dtype=dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some layers say that they end a mask
        return randomised(keras.Model(x, call(x)), seed)


def randomised(model: Any, seed: int) -> Any:
    """The model, with weights that are not zero, and variances above it."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        name, shape = variable.path.rpartition("/")[2], tuple(variable.shape)
        bound = 0.5 if len(shape) < 2 else 1.5 / np.sqrt(shape[0])
        values = rng.uniform(-bound, bound, shape)
        if name in ("moving_variance", "gamma", "variance"):
            values = values + 1
        if name not in ("count", "seed_generator_state"):
            variable.assign(values.astype(np.float32))
    return model


def values(variable: Any) -> Array:
    """Of a weight."""
    return np.array(variable.value.detach().numpy())


def saved(model: Any, path: Path) -> Path:
    """What `model.save` writes; the suffix says which kind."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(path)
    return path


def outputs(model: Any, x: Array) -> Array:
    """Keras's own result, several outputs side by side."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y = model(x, training=False)
    many = y if isinstance(y, list | tuple) else [y]
    return np.concatenate([one.detach().numpy() for one in many], -1)


def random_x(seed: int, batch: int = 3, steps: int = 7, size: int = INPUTS) -> Array:
    return np.random.default_rng(seed).normal(size=(batch, steps, size)).astype(np.float32)


def check(
    model: Any, folder: Path, x: Array | None = None, suffixes: Sequence[str] = (".keras", ".h5")
) -> Network:
    """Reads both files of a model and compares what they compute with Keras."""
    x = random_x(1) if x is None else x
    expected, networks = outputs(model, x), []
    for suffix in suffixes:
        network = read(saved(model, folder / f"net{suffix}"))
        assert isinstance(network, Network)
        networks.append(network)
        got = forward(network, x)
        assert got.shape == expected.shape
        np.testing.assert_allclose(got, expected, atol=TOLERANCE)
    return networks[-1]


def config_of(path: Path) -> Any:
    """The description in an archive."""
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("config.json"))


def rewritten(path: Path, **entries: bytes | None) -> Path:
    """An archive with other entries (`config_json=...`), or without some (None)."""
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    for name, content in entries.items():
        file = {"config_json": "config.json", "metadata_json": "metadata.json"}.get(
            name, "model.weights.h5"
        )
        held.pop(file)
        if content is not None:
            held[file] = content
    return archived(path, held)


def archived(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def changed(path: Path, change: Callable[[Any], None]) -> Path:
    """An archive whose description was changed."""
    config = config_of(path)
    change(config)
    return rewritten(path, config_json=json.dumps(config).encode())


def weights_of(path: Path) -> Any:
    """The weights of an archive, open for reading."""
    with zipfile.ZipFile(path) as archive:
        return h5py.File(io.BytesIO(archive.read("model.weights.h5")))


def old_config(model: Any) -> dict[str, Any]:
    """The description of a sequential model as Keras 2 writes it: policies and shapes by text."""
    config: dict[str, Any] = copy.deepcopy(json.loads(model.to_json()))
    for layer in config["config"]["layers"]:
        own = layer["config"]
        own["dtype"] = "float32"
        if layer["class_name"] == "InputLayer":
            own["batch_input_shape"] = own.pop("batch_shape")
    config["config"].pop("dtype", None)
    return config


FOLDERS = {
    **{"LSTM": "lstm", "GRU": "gru", "Dense": "dense"},
    **{"BatchNormalization": "batch_normalization", "LayerNormalization": "layer_normalization"},
}


def keras_2_archive(model: Any, path: Path, *, twice: bool) -> Path:
    """As Keras 2.13 to 2.15 write `.keras`.

    Args:
        model: A sequential one.
        path: Of the file.
        twice: Whether a layer with weights is counted twice among those of its class, once as one
            of those with weights: so `lstm`, `lstm_2`, `lstm_4`.
    """
    stored, counted = io.BytesIO(), dict[str, int]()
    with h5py.File(stored, "w") as file:
        for layer in model.layers:
            name = FOLDERS[type(layer).__name__]
            n = counted.get(name, 0)
            counted[name] = n + (2 if twice else 1)
            place = f"_layer_checkpoint_dependencies/{name}{f'_{n}' if n else ''}"
            inside = f"{place}/cell/vars" if hasattr(layer, "cell") else f"{place}/vars"
            file.create_group(f"{place}/vars")
            for k, variable in enumerate(layer.weights):
                file[f"{inside}/{k}"] = values(variable)
    entries = {
        "metadata.json": json.dumps({"keras_version": "2.15.0"}).encode(),
        "config.json": json.dumps(old_config(model)).encode(),
        "model.weights.h5": stored.getvalue(),
    }
    return archived(path, entries)


def repacked(content: bytes, libver: Any = "earliest", **options: Any) -> bytes:
    """An HDF5 file with the same in it, its arrays in pieces or packed as `create_dataset` says."""
    made = io.BytesIO()
    with h5py.File(io.BytesIO(content)) as old, h5py.File(made, "w", libver=libver) as new:
        new.attrs.update(old.attrs)

        def again(path: str, found: Any) -> None:
            held = found
            if isinstance(found, h5py.Group):
                held = new.require_group(path)
            else:
                held = new.create_dataset(path, data=found[()], **options)
            held.attrs.update(found.attrs)

        old.visititems(again)
    return made.getvalue()


def keras_2_h5(model: Any, path: Path, *, as_bytes: bool, split: bool = False) -> Path:
    """As tf.keras of TensorFlow 2 writes `.h5`: names end in `:0`, nested below the layer's name.

    Args:
        model: A sequential one.
        path: Of the file.
        as_bytes: Whether texts are stored as bytes.
        split: Whether lists of names are in pieces, as where they are long.
    """

    def text(said: str) -> Any:
        return np.bytes_(said) if as_bytes else said

    def put(attributes: Any, name: str, values: list[str]) -> None:
        made = np.array([np.bytes_(v) for v in values]) if values else np.zeros(0)
        if split and len(values) > 1:
            attributes[f"{name}0"], attributes[f"{name}1"] = made[:1], made[1:]
        else:
            attributes[name] = made

    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = text("2.15.0")
        file.attrs["backend"] = text("tensorflow")
        file.attrs["model_config"] = text(json.dumps(old_config(model)))
        held = file.create_group("model_weights")
        put(held.attrs, "layer_names", [layer.name for layer in model.layers])
        for layer in model.layers:
            group, named = held.create_group(layer.name), []
            for variable in layer.weights:
                inner = "lstm_cell_7/" if hasattr(layer, "cell") else ""
                named.append(f"{layer.name}/{inner}{variable.name}:0")
                group[named[-1]] = values(variable)
            put(group.attrs, "weight_names", named)
    return path
