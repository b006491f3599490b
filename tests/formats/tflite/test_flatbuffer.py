"""Files that are no models: damaged, random, hostile."""

import pathlib
import time

import numpy as np
import pytest

from edgelstm.errors import ModelError
from edgelstm.formats.tflite.model import Operator, Tensor, one_graph
from edgelstm.formats.tflite.pack import pack
from tests.networks import random_network
from tests.tflite_files import (
    STEPS,
    chain,
    content_of,
    edited,
    fed,
    graph_of,
    int8,
    read_bytes,
    refusal,
    result_of,
)


def readable(content: bytes, folder: pathlib.Path) -> bool:
    """Whether a file gives a network, one that can be written again; else it is a ModelError."""
    try:
        network = read_bytes(content, folder)
    except ModelError as error:
        assert str(error).startswith("net.tflite: ") and "\n" not in str(error)
        return False
    assert network.layers and network.output_size > 0
    return True


VICTIM = content_of(int8(random_network(sizes=(3, 5), outputs=4, last_step=True, seed=14)))


def test_truncated_file_is_refused_or_still_whole(tmp_path: pathlib.Path) -> None:
    cuts = range(0, len(VICTIM), 97)
    assert not any(readable(VICTIM[:cut], tmp_path) for cut in cuts)


def test_random_bytes_are_refused(tmp_path: pathlib.Path) -> None:
    rng = np.random.default_rng(0)
    for length in (0, 3, 8, 9, 40, 1000, 10_000):
        junk = rng.bytes(length)
        assert not readable(junk, tmp_path)
        assert not readable(junk[:4] + b"TFL3" + junk[8:], tmp_path)


def test_file_with_a_flipped_byte_is_refused_or_gives_a_network(tmp_path: pathlib.Path) -> None:
    rng = np.random.default_rng(1)
    start, whole = time.perf_counter(), 0
    for place in rng.integers(0, len(VICTIM), 600).tolist():
        content = bytearray(VICTIM)
        content[place] ^= int(rng.integers(1, 256))
        whole += readable(bytes(content), tmp_path)
    assert 50 < whole < 550  # weights and names may change, offsets not
    assert time.perf_counter() - start < 60


def test_operators_that_share_one_constant_cannot_fill_memory(tmp_path: pathlib.Path) -> None:
    square = random_network(sizes=(64, 64), seed=15)
    (lstm,) = graph_of(square).operators
    weight = lstm.inputs[1]
    ops = [lstm]
    for place in (2, 3, 4, 5, 6, 7, 8):
        ops[0] = edited(ops[0], place, weight)
    for _ in range(50):
        ops.append(fed(ops[0], result_of(ops[-1]), (1, STEPS, 64)))
    told = refusal(chain(*ops), tmp_path)
    assert "name the same constants again and again" in told


def test_graph_of_very_many_operators_is_refused(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = Tensor("x", (1, 1, 2), "float32")
    again = Operator("RESHAPE", (x,), (x,))
    with monkeypatch.context() as patch:
        patch.setattr("edgelstm.formats.tflite.pack.MOST_OPERATORS", 1001)
        content = pack(one_graph(x, x, (again,) * 1001, ""))
    with pytest.raises(ModelError, match="need 1001 operators; at most 1000 are read"):
        pack(one_graph(x, x, (again,) * 1001, ""))
    told = refusal(content, tmp_path)
    assert told.startswith("it has 1001 operators, at most 1000 are read; a recurrent layer that")
