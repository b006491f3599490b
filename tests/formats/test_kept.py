"""What is accepted from one file is refused by a format, or written so that it reads back equal."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgelstm.errors import ModelError
from edgelstm.execution.session import run
from edgelstm.files.disk import write_contents
from edgelstm.formats import AnyNetwork, encode, read
from edgelstm.formats.description import describe, named_arrays
from edgelstm.formats.restored import restore
from edgelstm.formats.table import FORMATS
from edgelstm.layers.dense import Dense
from edgelstm.layers.directions import parts
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.quantizer import quantize
from tests.networks import bidirectional_network, random_input, random_network, random_recurrent

WRITTEN = [suffix for suffix, form in FORMATS.items() if form.writer]
SEEDS = 60
Description = dict[str, Any]
Arrays = dict[str, Any]


def made(kind: str) -> AnyNetwork:
    floats = {
        "two layers": random_network(
            "lstm", (3, 4, 5), outputs=2, activation="softmax", last_step=True, cell_clip=1.0
        ),
        "sigmoid": random_network("lstm", (3, 4), outputs=2, activation="sigmoid"),
        "both directions": bidirectional_network("lstm", (3, 4), outputs=2, activation="relu"),
        "gru": random_network("gru", (3, 4), outputs=2),
    }
    name, precision = kind.split(", ")
    network = floats[name]
    if precision == "float32":
        return network
    return quantize(network, random_input(network, 10, 12), precision)


KINDS = (
    *("two layers, int8", "sigmoid, int8", "both directions, int8"),
    *("two layers, hybrid", "both directions, hybrid", "gru, hybrid"),
    *("two layers, float32", "both directions, float32", "gru, float32"),
)
NETWORKS = {kind: made(kind) for kind in KINDS}


def described(network: AnyNetwork) -> tuple[Description, Arrays]:
    arrays = {name: array.copy() for name, array in named_arrays(network).items()}
    return copy.deepcopy(describe(network)), arrays


def saved(description: Description, arrays: Arrays, path: Path) -> Path:
    text = json.dumps(description).encode()
    np.savez(path, **{**arrays, "edgelstm": np.frombuffer(text, np.uint8)})
    return path


def check_kept(network: AnyNetwork, folder: Path) -> list[str]:
    """The suffixes that write it; what they write reads back equal."""
    kept = []
    for suffix in WRITTEN:
        try:
            contents = encode(network, suffix, steps=6)
        except ModelError:
            continue
        path = folder / f"kept{suffix}"
        write_contents(path, contents)
        check_equal(read(path), network, suffix)
        kept.append(suffix)
    return kept


def check_equal(got: AnyNetwork, network: AnyNetwork, suffix: str) -> None:
    assert type(got) is type(network) and got.last_step == network.last_step
    if suffix in (".npz", "_c"):
        assert describe(got) == describe(network)
    for ours, theirs in zip(parts(got.layers), parts(network.layers), strict=True):
        assert type(ours) is type(theirs)
        assert getattr(ours, "activation", None) == getattr(theirs, "activation", None)
    if isinstance(network, QuantizedNetwork) and network.precision == "int8":
        assert isinstance(got, QuantizedNetwork)
        assert (got.input, got.output) == (network.input, network.output)
        x = np.random.default_rng(0).integers(-128, 128, (2, 6, network.input_size))
        x[0] = np.where(x[0] < 0, -128, 127)
        y, expected = (run(n, x.astype(np.int8), engine="reference") for n in (got, network))
        np.testing.assert_array_equal(y, expected)
    else:
        # cell_clip is float32 in a .tflite file, and both biases are one
        reals = random_input(network, 2, 6)
        y, expected = (run(n, reals, engine="reference") for n in (got, network))
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_made_here_is_written_and_kept(kind: str, tmp_path: Path) -> None:
    kept = check_kept(NETWORKS[kind], tmp_path)
    in_c = "hybrid" not in kind and "both" not in kind
    assert kept == [suffix for suffix in WRITTEN if suffix != "_c" or in_c]


# ---- edits of a description and of its arrays, by what a random number picks

POSITIVE = (1e-45, 1e-30, 2.0**-31, 0.1, float(np.float32(0.1)), 0.5, 3e38, 1e39, 1e300, 0, -1.0)
WHOLE = (-32768, -129, -128, -1, 0, 1, 127, 128, 2**31, 2.5, "3", None, True)
NAMES = ("", " ", "a/b", "../up", "a.b", "ü—名", "[/x]", "=1+2", "x_reverse", "a\0b", "\x1b[2J")
MORE_NAMES = ("\ud800", "n" * 200, "n" * 201, "dense1", "a.npy", "lstm1/W", "y", "h0", "a" * 70_000)


def item(description: Description, rng: np.random.Generator) -> dict[str, Any]:
    items = description["layers"]
    chosen: dict[str, Any] = items[rng.integers(len(items))]
    return chosen


def scale(description: Description, arrays: Arrays, rng: np.random.Generator) -> None:
    chosen = item(description, rng)
    places: list[list[Any]] = [*chosen.get("scales", {}).values()]
    places += [chosen[key] for key in ("input", "linear") if chosen.get(key)]
    if places:
        place = rng.integers(3)
        values = (POSITIVE, WHOLE, ("int8", "int16", "int32"))[place]
        places[rng.integers(len(places))][place] = values[rng.integers(len(values))]


def all_scales_of_a_role(description: Description, arrays: Arrays, rng: Any) -> None:
    """Those that are equal stay equal: what the layer before gives and this one takes."""
    every = [s for i in description["layers"] for s in i.get("scales", {}).values()]
    every += [i[key] for i in description["layers"] for key in ("input", "linear") if i.get(key)]
    if every:
        old, factor = list(every[rng.integers(len(every))]), 2.0 ** rng.integers(-40, 40)
        zero_point = int(rng.integers(-130, 130)) if old[2] == "int8" else 0
        for place in every:
            if place == old:
                place[:2] = [old[0] * factor, zero_point]


def weight_scale(description: Description, arrays: Arrays, rng: np.random.Generator) -> None:
    chosen, value = item(description, rng), POSITIVE[rng.integers(len(POSITIVE))]
    if "weight_scales" in chosen:
        chosen["weight_scales"][str(rng.choice([*chosen["weight_scales"]]))] = value
    elif "weight_scale" in chosen:
        chosen["weight_scale"] = value


def weight(description: Description, arrays: Arrays, rng: np.random.Generator) -> None:
    array = arrays[str(rng.choice([*arrays]))]
    info: Any = np.finfo(array.dtype) if array.dtype.kind == "f" else np.iinfo(array.dtype)
    where = tuple(rng.integers(n) for n in array.shape)
    values = (info.min, info.max, info.min + (1 if array.dtype.kind == "i" else 0), 0)
    array[where if rng.integers(2) else ...] = values[rng.integers(len(values))]


def both_biases(description: Description, arrays: Arrays, rng: np.random.Generator) -> None:
    for name, array in arrays.items():
        if "bias" in name and array.dtype == np.float32:
            array[...] = 3e38


def field(description: Description, arrays: Arrays, rng: np.random.Generator) -> None:
    chosen = item(description, rng)
    values = {
        "cell_clip": (*POSITIVE, 2.0**-13, 1e-50, -0.0),
        "activation": (None, "relu", "sigmoid", "softmax", "tanh"),
        "saturation": ({}, {"i": [5, 1, 1]}, {"no": [5, 1, 1]}, {"i": [0, 0, 0]}),
        "scales": ({}, {"h": [0.5, 0, "int8"]}),
        "input": (None, [0.5, 0, "int8"]),
        "linear": (None, [0.5, 0, "int8"]),
    }
    keys = [key for key in values if key in chosen]
    if keys:
        key = str(rng.choice(keys))
        chosen[key] = values[key][rng.integers(len(values[key]))]


def top(description: Description, arrays: Arrays, rng: np.random.Generator) -> None:
    values: dict[str, tuple[Any, ...]] = {
        "steps": (*WHOLE, 100_000, 100_001),
        "last_step": (True, False),
        "dropped_softmax": (True, False),
        "assumed": ([], ["ü"], ["\ud800"], "text", [3]),
        "precision": ("int8", "hybrid", "float32"),
    }
    key = str(rng.choice([*values]))
    if key in description:
        description[key] = values[key][rng.integers(len(values[key]))]


def name(description: Description, arrays: Arrays, rng: np.random.Generator) -> None:
    names = NAMES + MORE_NAMES
    renamed(description, arrays, item(description, rng)["name"], names[rng.integers(len(names))])


def renamed(description: Description, arrays: Arrays, old: str, new: str) -> None:
    """A layer, with its reverse direction, under another name."""
    old = old.removesuffix("_reverse")
    for chosen in description["layers"]:
        if chosen["name"] in (old, f"{old}_reverse"):
            chosen["name"] = new + chosen["name"].removeprefix(old)
    for key in [key for key in arrays if key.startswith(f"{old}.")]:
        arrays[new + key.removeprefix(old)] = arrays.pop(key)


EDITS = (scale, all_scales_of_a_role, weight_scale, weight, both_biases, field, top, name)


def edited(network: AnyNetwork, seed: int) -> tuple[Description, Arrays]:
    rng = np.random.default_rng(seed)
    description, arrays = described(network)
    for _ in range(rng.integers(1, 3)):
        EDITS[rng.integers(len(EDITS))](description, arrays, rng)
    return description, arrays


@pytest.mark.filterwarnings("ignore:overflow")  # of values near the end of float32, when run
@pytest.mark.filterwarnings("ignore:invalid")
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_accepted_is_kept_or_refused(kind: str, tmp_path: Path) -> None:
    n_accepted = n_kept = 0
    for seed in range(SEEDS):
        description, arrays = edited(NETWORKS[kind], seed)
        try:
            network = restore(json.loads(json.dumps(description)), arrays)
        except ModelError:
            continue
        n_accepted += 1
        n_kept += len(check_kept(network, tmp_path))
    assert n_accepted > SEEDS / 10 and n_kept > SEEDS / 10


ODD_NAMES = ("ü—名", "../up", "a.b", " ", "[/x]", "=1+2", "n" * 192, "a\n", "\x1b[2J", "\u202e")


@pytest.mark.parametrize("new", ODD_NAMES)
@pytest.mark.parametrize("kind", ["both directions, int8", "two layers, hybrid", "gru, float32"])
def test_odd_names_come_back(kind: str, new: str, tmp_path: Path) -> None:
    description, arrays = described(NETWORKS[kind])
    renamed(description, arrays, description["layers"][0]["name"], new)
    network = read(saved(description, arrays, tmp_path / "odd.npz"))
    assert network.layers[0].name == new
    assert check_kept(network, tmp_path) == check_kept(NETWORKS[kind], tmp_path)


@pytest.mark.parametrize("precision", ["int8", "hybrid"])
def test_a_layer_called_like_a_reverse_direction_comes_back(precision: str, tmp_path: Path) -> None:
    layer = random_recurrent("lstm", 3, 4, np.random.default_rng(0), name="x_reverse")
    network = quantize(Network((layer,)), np.ones((1, 5, 3)), precision)
    expected = check_kept(NETWORKS[f"two layers, {precision}"], tmp_path)
    assert check_kept(network, tmp_path) == expected


@pytest.mark.parametrize("new", ["", "n" * 201, "a\0b", "\ud800"])
def test_names_that_files_cannot_hold_are_refused(new: str) -> None:
    ones = np.ones((2, 2), np.float32)
    with pytest.raises(ModelError, match="a layer is named") as caught:
        Network((Dense(new, ones, ones[0].copy()),))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("precision", ["int8", "hybrid"])
def test_weights_of_minus_128_are_refused_at_every_door(precision: str, tmp_path: Path) -> None:
    description, arrays = described(NETWORKS[f"two layers, {precision}"])
    for key in ("lstm2.weight_hh_l0", "dense1.weight"):
        changed = {**arrays, key: arrays[key].copy()}
        changed[key][1, 0] = -128
        with pytest.raises(ModelError, match=r"holds -128; int8 weights are -127\.\.127"):
            read(saved(description, changed, tmp_path / "net.npz"))


def test_a_sum_of_biases_beyond_float32_is_not_written_as_one() -> None:
    network = random_network("lstm", (3, 4))
    [layer] = network.layers
    assert isinstance(layer, Recurrent)
    layer.forward.bias_ih[0] = layer.forward.bias_hh[0] = 3e38
    with pytest.raises(ModelError, match="bias_ih [+] bias_hh, which TensorFlow Lite stores as"):
        encode(network, ".tflite")
    assert encode(network, ".onnx") and encode(network, ".npz")


def test_more_operators_than_are_read_are_not_written() -> None:
    layers = random_network("lstm", (1,) + (1,) * 1001).layers
    with pytest.raises(ModelError, match="need 1001 operators; at most 1000 are read"):
        encode(Network(layers), ".tflite")


@pytest.mark.parametrize("clip", [1e-50, 1e39, -1.0, float("nan"), float("inf")])
def test_a_cell_clip_that_float32_cannot_hold_is_refused(clip: float) -> None:
    with pytest.raises(ModelError, match="cell_clip is .*in float32, is needed"):
        random_network("lstm", (3, 4), cell_clip=clip)
