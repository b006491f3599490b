"""Numbers that files state: whole where whole ones are needed, inside their type, finite."""

import dataclasses
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import edgelstm
from edgelstm.arguments import MOST_STEPS, check_whole
from edgelstm.errors import ModelError
from edgelstm.formats import facts, read, write
from edgelstm.formats.stated import real, whole, whole_text
from edgelstm.formats.tflite.unpack import unpack
from tests.networks import random_input, random_network

NETWORK = random_network("lstm", (3, 5), outputs=2)
INTEGERS = edgelstm.quantize(NETWORK, random_input(NETWORK, 4, 7))


@pytest.mark.parametrize(
    "stated", [1.0, 1.5, True, None, "1", [1], 10**5000, -129, 128, "x" * 99], ids=type
)
def test_what_is_no_whole_number_of_its_type_is_refused(stated: Any) -> None:
    with pytest.raises(
        ModelError, match="^n is .{1,60}; a whole number from -128 to 127 is needed"
    ):
        whole(stated, "n", (-128, 127))


@pytest.mark.parametrize(
    "text", ["", "abc", "1.5", "1e2", " 1", "1_0", "0x1", "\u0661", "9" * 5000]
)
def test_a_text_that_states_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(ModelError, match="a whole number from"):
        whole_text(text, "n", (-128, 127))


@pytest.mark.parametrize(
    "stated", [float("nan"), float("inf"), 1e39, 10**400, "0.5", True, None], ids=type
)
def test_what_is_no_finite_number_is_refused(stated: Any) -> None:
    with pytest.raises(ModelError, match="^s is .{1,60}; a number that float32 holds is needed"):
        real(stated, "s")


def test_numbers_of_their_type_pass() -> None:
    assert [whole(n, "n", (-128, 127)) for n in (-128, 0, 127)] == [-128, 0, 127]
    assert [whole_text(n, "n", (-9, 9)) for n in ("-9", "007")] == [-9, 7]
    assert [real(n, "s") for n in (2, -0.5)] == [2.0, -0.5]


def described(path: Path, change: Any) -> None:
    """Changes the description inside an .npz file."""
    with np.load(path) as file:
        arrays = dict(file)
    about = json.loads(arrays["edgelstm"].tobytes())
    change(about)
    arrays["edgelstm"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    np.savez(path, **arrays)


def scale_of_x(about: Any) -> Any:
    """[scale, zero point, type]."""
    return about["layers"][0]["scales"]["x"]


CHANGES = {
    "steps": lambda about: about.update(steps=7.5),
    "steps as text": lambda about: about.update(steps="7"),
    "no steps": lambda about: about.update(steps=0),
    "zero point": lambda about: scale_of_x(about).__setitem__(1, 1.5),
    "zero point beyond": lambda about: scale_of_x(about).__setitem__(1, 128),
    "truth value": lambda about: scale_of_x(about).__setitem__(1, True),
    "scale": lambda about: scale_of_x(about).__setitem__(0, float("inf")),
    "scale as text": lambda about: scale_of_x(about).__setitem__(0, "0.5"),
    "clip": lambda about: about["layers"][0].update(cell_clip=float("nan")),
    "saturation": lambda about: about["layers"][0]["saturation"].update(i=[5, 0.5, 0]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_number_in_a_description_is_refused(change: Any, tmp_path: Path) -> None:
    path = write(INTEGERS, tmp_path / "net.npz")
    described(path, change)
    with pytest.raises(ModelError, match="^net.npz: .*(is needed|of an int8)"):
        read(path)


@pytest.mark.parametrize("zero_point", ["abc", "1.5", "128", "-129", "9" * 5000, "", "\x1b[2J"])
def test_a_zero_point_in_metadata_fits_the_type_of_its_state(
    zero_point: str, tmp_path: Path
) -> None:
    path = write(INTEGERS, tmp_path / "net.onnx", streaming=True)
    stored = onnx.load(path)
    for entry in stored.metadata_props:
        if entry.key == "edgelstm.h0_zero_point":
            entry.value = zero_point
    onnx.save(stored, path)
    with pytest.raises(ModelError, match="^net.onnx: metadata: edgelstm.h0_zero_point is "):
        facts(path)


@pytest.mark.parametrize(("key", "value"), [("offset", "-1"), ("offset", "a"), ("length", "1_0")])
def test_a_place_of_an_external_tensor_is_a_whole_number(
    key: str, value: str, tmp_path: Path
) -> None:
    path = write(NETWORK, tmp_path / "net.onnx")
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="w", size_threshold=0)
    stored = onnx.load(path, load_external_data=False)
    for tensor in stored.graph.initializer:
        entry = next(e for e in tensor.external_data if e.key == key)
        entry.value = value
    path.write_bytes(stored.SerializeToString())
    with pytest.raises(ModelError, match=f": {key} is '?{value}'?; a whole number from 0 to"):
        read(path)


@pytest.mark.parametrize("claimed", [MOST_STEPS + 1, 2**31 - 1])
def test_steps_that_are_not_written_are_not_read(claimed: int, tmp_path: Path) -> None:
    path = write(INTEGERS, tmp_path / "net.tflite", steps=97)
    was, now = struct.pack("<3i", 1, 97, 3), struct.pack("<3i", 1, claimed, 3)
    path.write_bytes(path.read_bytes().replace(was, now))
    for ask in (read, facts, edgelstm.verify):
        with pytest.raises(ModelError, match=f"net.tflite: .* {claimed:,} steps; at most 100,000"):
            ask(path)


def test_the_longest_file_that_is_written_is_read(tmp_path: Path) -> None:
    path = write(INTEGERS, tmp_path / "net.tflite", steps=MOST_STEPS)
    assert facts(path).steps == MOST_STEPS
    assert read(path).input_size == 3


def test_shapes_beyond_all_memory_cost_nothing(tmp_path: Path) -> None:
    path = write(INTEGERS, tmp_path / "net.tflite")
    (x,) = unpack(path.read_bytes()).graphs[0].inputs
    huge = dataclasses.replace(x, shape=(1, 2**31 - 1, 2**31))
    with pytest.raises(ModelError, match="steps; at most"):
        from edgelstm.formats.tflite import read as reader

        reader._steps(huge)


def test_counts_end_where_float64_cannot_tell_them_apart() -> None:
    assert edgelstm.count(NETWORK, steps=2**53).sequence is not None
    for steps in (2**53 + 1, 10**5000):
        with pytest.raises(ModelError, match="steps is above 9,007,199,254,740,992"):
            edgelstm.count(NETWORK, steps=steps)
    check_whole(np.int8(5), "n")
