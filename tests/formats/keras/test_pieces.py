"""HDF5 as others pack it: arrays in pieces, packed, headers of both versions; files that lie."""

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
import pytest

from edgelstm.errors import ModelError
from edgelstm.formats import read
from edgelstm.formats.description import describe, named_arrays
from edgelstm.formats.keras.hdf5 import Hdf5
from edgelstm.formats.keras.headers import text_sizes
from tests.keras_files import keras_2_h5, layers, repacked, sequential

SHAPE = (13, 10)
VALUES = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
PACKED: dict[str, dict[str, Any]] = {
    "chunked": {"chunks": True},
    "gzip": {"compression": "gzip"},
    "gzip and shuffle": {"compression": "gzip", "shuffle": True},
}


def file_of(libver: Any = "earliest", values: Any = VALUES, **options: Any) -> bytes:
    made = io.BytesIO()
    with h5py.File(made, "w", libver=libver) as file:
        file.create_dataset("a/x", data=values, **options)
    return made.getvalue()


def taken(content: bytes) -> Any:
    file = Hdf5(content)
    try:
        return file.array("a/x")
    finally:
        file.close()


def refused(content: bytes) -> str:
    with pytest.raises(ModelError) as caught:
        taken(content)
    said = str(caught.value)
    assert "\n" not in said and "model.save" in said
    return said


@pytest.mark.parametrize("kind", ["<f4", ">f4", "<f8", "<f2", "<i4"])
@pytest.mark.parametrize("chunks", [(3, 4), (1, 10), SHAPE, (13, 1)])
@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("packed", PACKED)
def test_pieces_are_put_together(packed: str, libver: str, chunks: Any, kind: str) -> None:
    expected = (VALUES * 100).astype(kind)
    got = taken(file_of(libver, expected, **PACKED[packed] | {"chunks": chunks}))
    assert got.dtype == expected.dtype
    assert np.array_equal(got, expected)


def test_a_tree_of_several_levels_is_walked() -> None:
    values = np.arange(6000, dtype=np.float32).reshape(60, 100)
    assert np.array_equal(taken(file_of(values=values, chunks=(1, 2))), values)


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("packed", PACKED)
def test_a_model_that_was_packed_is_read(packed: str, libver: str, tmp_path: Any) -> None:
    model = sequential(layers.LSTM(4, name="rnn"), layers.Dense(2, name="head"))
    path = keras_2_h5(model, tmp_path / "net.h5", as_bytes=False)
    expected = read(path)
    (tmp_path / "again.h5").write_bytes(repacked(path.read_bytes(), libver, **PACKED[packed]))
    got = read(tmp_path / "again.h5")
    assert describe(got) == describe(expected)
    for name, array in named_arrays(expected).items():
        assert np.array_equal(named_arrays(got)[name], array)


def test_texts_in_headers_of_version_2_are_measured() -> None:
    made = io.BytesIO()
    with h5py.File(made, "w", libver="latest", track_order=True) as file:
        for k in range(6):  # more than one block of the header holds
            file.attrs[f"text{k}"] = ["x" * (k + 1) * 9, "y"]
        address = h5py.h5o.get_info(file.id).addr
    for k in range(6):
        assert text_sizes(made.getvalue(), address, f"text{k}", 2) == [(k + 1) * 9, 1]


def root_of_a_tree(content: bytearray) -> int:
    """Of pieces, of two levels."""
    return next(
        k for k in range(len(content)) if content[k : k + 6].startswith((b"TREE\1\1", b"TREE\1\2"))
    )


def cyclic(content: bytearray) -> None:
    """Each entry of a node is that node: the library's own walk ends the process."""
    root = root_of_a_tree(content)
    (n,) = struct.unpack_from("<H", content, root + 6)
    for k in range(n):
        struct.pack_into("<Q", content, root + 24 + 32 + 40 * k, root)


def other_entries(content: bytearray) -> None:
    struct.pack_into("<H", content, root_of_a_tree(content) + 6, 65_535)


def other_mask(content: bytearray) -> None:
    leaf = content.find(b"TREE\1\0")
    struct.pack_into("<I", content, leaf + 24 + 4, 1)


def twice(content: bytearray) -> None:
    leaf = content.find(b"TREE\1\0")
    content[leaf + 24 + 40 : leaf + 24 + 64] = content[leaf + 24 : leaf + 48]


def no_tree(content: bytearray) -> None:
    content[root_of_a_tree(content)] = 0


def far_away(content: bytearray) -> None:
    leaf = content.find(b"TREE\1\0")
    struct.pack_into("<Q", content, leaf + 24 + 32, 2**64 - 1)


LIES: dict[str, tuple[Callable[[bytearray], None], str]] = {
    "cyclic": (cyclic, "names a node twice"),
    "more entries": (other_entries, "names a node twice"),
    "a mask": (other_mask, "packed in its own way"),
    "a piece twice": (twice, "holds a piece twice"),
    "no tree": (no_tree, "without the tree that lists them"),
    "far away": (far_away, "claims more values than the file holds"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_tree_that_lies_is_refused(lie: str) -> None:
    change, said = LIES[lie]
    content = bytearray(file_of(values=np.ones((64, 64), np.float32), chunks=(1, 4)))
    change(content)
    assert said in refused(bytes(content))


def test_a_piece_is_unpacked_no_further_than_it_may_be() -> None:
    made = io.BytesIO()
    with h5py.File(made, "w") as file:
        data = file.create_dataset("a/x", (4, 16), np.float32, chunks=(4, 16), compression="gzip")
        data.id.write_direct_chunk((0, 0), zlib.compress(bytes(2**26)))
    assert "has a piece of 257 B; 256 are needed" in refused(made.getvalue())


def test_a_cyclic_group_is_refused() -> None:
    made = io.BytesIO()
    with h5py.File(made, "w") as file:
        for k in range(900):  # more than a node of its tree holds
            file.create_group(f"a/{k}")
        file["a"].attrs["text"] = "x"
    content = bytearray(made.getvalue())
    root = next(k for k in range(len(content)) if content[k : k + 6] == b"TREE\0\1")
    (n,) = struct.unpack_from("<H", content, root + 6)
    for k in range(n):
        struct.pack_into("<Q", content, root + 24 + 8 + 16 * k, root)
    file = Hdf5(bytes(content))
    assert file.texts("a", "text") == ["x"]
    with pytest.raises(ModelError, match="is a broken HDF5 file"):
        file.array("a/5")
    file.close()


def unusual(**options: Any) -> bytes:
    made = io.BytesIO()
    libver = options.pop("libver", "earliest")
    with h5py.File(made, "w", libver=libver) as file:
        data = file.create_dataset("a/x", (40, 40), np.float32, **options)
        data[:3] = 1
    return made.getvalue()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"chunks": (3, 40)}, "has 1 pieces; 14 are needed"),
        ({"chunks": (20, 20), "fletcher32": True}, "packed in a way that is not undone here"),
        ({"chunks": (20, 20), "maxshape": (None, None), "libver": "latest"}, "is not read"),
        ({"chunks": (1, 1), "libver": "latest"}, "is not read"),
        ({"chunks": (2**13, 2**12), "maxshape": (None, None)}, "claims 134,217,728 B"),
    ],
)
def test_what_is_packed_otherwise_is_refused(options: dict[str, Any], said: str) -> None:
    assert said in refused(unusual(**options))


def test_too_many_pieces_are_refused() -> None:
    made = io.BytesIO()
    with h5py.File(made, "w") as file:
        file.create_dataset("a/x", (300, 300), np.float32, chunks=(1, 1))
    assert "lies in 90,000 pieces; at most 65,536 are read" in refused(made.getvalue())
