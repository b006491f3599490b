"""What users do with a file that was accepted: all of it has to work, or be refused in words."""

import functools
import pathlib
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np

import edgelstm
from edgelstm.quantization.quantized import QuantizedNetwork
from tests.fuzz.mutations import BETWEEN

STEPS = 3
ENGINES = ("numba", "reference")
LARGEST_COMPARED = 100.0  # sums of larger weights lose the digits that would be compared
DEVICES = ("stm32u575", "rpi-5")


class OursRefused(Exception):
    """`read` refuses what `write` wrote."""


class Differs(Exception):
    """Two ways to one result give two results."""


def network(path: pathlib.Path) -> None:
    """Read, counted, run in every engine, written in every format and read back."""
    found = edgelstm.read(path)
    repr(found)
    for name in DEVICES:
        counts = edgelstm.count(found, steps=STEPS)
        edgelstm.estimate(counts, edgelstm.read_device(name)).to_dict()
    expected = outputs(found)
    if path.suffix in (".onnx", ".tflite"):
        facts(path)
    for suffix in (".npz", ".onnx", ".tflite"):
        back = written_and_read(found, path.with_name(f"{path.stem}_again{suffix}"))
        if back is not None:
            compare(found, expected, outputs(back), f"read back from {suffix}")


def node(path: pathlib.Path) -> None:
    """Read alone, and a float and a hybrid network in its place; nothing is run."""
    from edgelstm.formats.onnx.part import find, load
    from edgelstm.formats.onnx.replaced import check_fits, rewritten, size_bytes
    from edgelstm.verification.feeds import random_calls

    name = "deep/in it"
    found: Any = edgelstm.read(path, node=name)
    model = load(path)
    for other in (found, edgelstm.quantize(found, None, "hybrid")):
        check_fits(found, other, [name])
        size_bytes(rewritten(model, find(model, [name]), other))
    random_calls(model)


def outputs(found: Any) -> Any:
    """Of one engine, the same as that of the other."""
    size = found.input_size
    x = np.random.default_rng(0).normal(size=(2, STEPS, size)).astype(np.float32)
    first, second = (edgelstm.run(found, x, engine=name) for name in ENGINES)
    if is_integer(found):
        if not np.array_equal(first, second):
            raise Differs(f"{np.count_nonzero(first != second)} values of two engines differ")
    elif first.shape != second.shape:
        raise Differs(f"two engines give {first.shape} and {second.shape}")
    return second


def compare(found: Any, expected: Any, got: Any, what: str) -> None:
    """Written and read again is the same network: integers equal, real values nearly.

    A `.tflite` file holds the sum of two biases; a hybrid network rounds x and h in each step.
    """
    tolerance = 0.0 if is_integer(found) else 0.05 if isinstance(found, QuantizedNetwork) else 1e-4
    if tolerance and largest_weight(found) > LARGEST_COMPARED:
        return
    if expected.shape != got.shape or not np.allclose(
        expected, got, tolerance, tolerance, equal_nan=True
    ):
        raise Differs(f"{what}: other values")


def is_integer(found: Any) -> bool:
    """Whether results are integers inside, the same everywhere."""
    return isinstance(found, QuantizedNetwork) and found.input is not None


def largest_weight(found: Any) -> float:
    """Magnitude of the largest weight or bias."""
    from edgelstm.formats.description import named_arrays

    return max(float(np.abs(array).max()) for array in named_arrays(found).values())


def written_and_read(found: Any, path: pathlib.Path) -> Any:
    """The network of the file that is written, or None where none can be."""
    try:
        edgelstm.write(found, path, steps=STEPS)
    except edgelstm.ModelError:
        return None
    try:
        return edgelstm.read(path)
    except edgelstm.ModelError as error:
        raise OursRefused(str(error)) from error
    finally:
        path.unlink()


OF_A_FOLDER = ("network.json", "plan.json")


def folder(path: pathlib.Path) -> None:
    """A folder of C whose JSON files these are: read, described, written again and read back."""
    from edgelstm import formats
    from edgelstm.formats.c.read import check_own, kernels_of

    place = path.with_name(f"{path.stem}_c")
    place.mkdir()
    try:
        for name, content in zip(OF_A_FOLDER, path.read_bytes().split(BETWEEN), strict=False):
            (place / name).write_bytes(content)
        found = edgelstm.read(place)
        formats.facts(place)
        kernels_of(place)
        check_own(place)
        edgelstm.write(found, place)
        again = edgelstm.read(place)
        compare(found, outputs(found), outputs(again), "read back from a folder of C")
    finally:
        shutil.rmtree(place)


def facts(path: pathlib.Path) -> None:
    """What `verify` reads of a file before it runs it."""
    from edgelstm import formats

    try:
        formats.facts(path)
    except edgelstm.ModelError:
        return


def calibration(path: pathlib.Path) -> None:
    """As `export --calibration` does."""
    from edgelstm.tools.inputs import read_sequences

    float_network = calibrated_network()
    sequences = read_sequences(path, float_network.input_size)
    edgelstm.run(edgelstm.quantize(float_network, sequences), sequences[0])


@functools.cache
def calibrated_network() -> Any:
    """What calibration data are for."""
    from tests.networks import random_network

    return random_network("lstm", (5, 4), outputs=3, last_step=True)


def labels(path: pathlib.Path) -> None:
    """As `export --labels` does."""
    from edgelstm.tools.inputs import read_labels
    from edgelstm.verification.fidelity import check_labels

    batch = np.zeros((3, 6, 5), np.float32)
    check_labels(calibrated_network(), (batch,), read_labels(path))


def state_networks() -> Iterator[Any]:
    """Of real and of integer states."""
    from tests.networks import random_input

    float_network = calibrated_network()
    yield float_network
    yield edgelstm.quantize(float_network, random_input(float_network, 4, 9))


@functools.cache
def _state_networks() -> tuple[Any, ...]:
    return tuple(state_networks())


def state(path: pathlib.Path) -> None:
    """Loaded into each network; refused by all is a refusal."""
    refused = []
    for of in _state_networks():
        session = edgelstm.Session(of, engine="reference")
        try:
            session.load(path)
        except edgelstm.ModelError as error:
            refused.append(error)
            continue
        session.step(np.zeros(of.input_size, np.float32))
    if len(refused) == len(_state_networks()):
        raise refused[0]


def device(path: pathlib.Path) -> None:
    """As `profile --device` does."""
    found = edgelstm.read_device(path)
    repr(found)
    counts = edgelstm.count(calibrated_network())
    edgelstm.estimate(counts, found).to_dict()
    edgelstm.estimate(counts, found, period_ms=20, battery="cr2032").to_dict()


def series(path: pathlib.Path) -> None:
    """Reads series to train on, as far as a network's first step."""
    from edgelstm.training.data import read_data

    data = read_data(path, 0)
    assert len(data.digest) == 16 and len(data.valid)


def log(path: pathlib.Path) -> None:
    """Goes on with the log of a search."""
    from edgelstm.searching.searching import search
    from tests.searching import trainers

    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(path, pathlib.Path(folder) / "search.jsonl")
        asked: Any = {"budget": 2, "epochs": 1, "train": trainers.quick, "folder": folder}
        search(trainers.SMALL, trainers.data(), **asked).to_dict()
