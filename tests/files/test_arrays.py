"""Files of arrays: every version, quietly, and nothing but plain numbers."""

import io
import re
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgelstm.errors import ModelError
from edgelstm.execution.session import Session
from edgelstm.files.arrays import LARGEST_BYTES, pack, read_array, read_arrays
from edgelstm.formats import read
from edgelstm.tools.inputs import read_labels, read_sequences
from tests.networks import random_network

X = np.arange(12, dtype=np.float32).reshape(3, 4)


def header(text: str, version: int = 1) -> bytes:
    length = len(text).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + text.encode()


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("shape", ["(3, 4)", "(3L, 4L)"], ids=["python3", "python2"])
def test_headers_of_every_version_are_read_quietly(
    version: int, shape: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n"
    (tmp_path / "x.npy").write_bytes(header(text, version) + X.tobytes())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(read_array(tmp_path / "x.npy", ""), X)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ["f2", "f4", ">f8", "i1", ">i2", "u4", "?"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_those_that_numpy_reads(kind: str, save: Any, tmp_path: Path) -> None:
    arrays = {"x": X.astype(kind), "turned": X.T.astype(kind), "none": np.zeros((0, 3), kind)}
    arrays["scalar"] = np.array(1, kind)
    save(tmp_path / "x.npz", **arrays)
    got = read_arrays(tmp_path / "x.npz", "")
    assert list(got) == list(arrays)
    for name, expected in arrays.items():
        assert np.array_equal(got[name], expected) and got[name].shape == expected.shape
        assert got[name].dtype == expected.dtype.newbyteorder("=") and got[name].flags.aligned


def test_what_is_packed_is_what_numpy_writes() -> None:
    file = io.BytesIO()
    np.savez(file, x=X, y=X.T)
    assert pack({"x": X, "y": X.T}) == file.getvalue()
    with pytest.raises(ModelError, match="an array's name cannot be written"):
        pack({"\ud800": X})


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, -1), }\n"), "as its shape"),
        (header("{'descr': '<f4', 'fortran_order': False, 'shape': (0, -1), }\n"), "as its shape"),
        (header("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n"), "holds object"),
        (
            header("{'descr': '<f4', 'fortran_order': False, 'shape': " + "(" * 900),
            "not a readable",
        ),
        (
            header("{'descr': '<f4', 'fortran_order': False, 'shape': (" + "0, " * 99 + "), }\n"),
            "shape",
        ),
        (header(" " * 60_000), "not a readable .npy file"),
        (header("{}", 4), "not a readable .npy file"),
        (b"", "not a readable .npy file"),
    ],
)
def test_broken_headers_are_refused_in_one_line(
    content: bytes, expected: str, tmp_path: Path
) -> None:
    (tmp_path / "x.npy").write_bytes(content + (b"" if "0, " in repr(content) else bytes(4)))
    with pytest.raises(ModelError) as caught:
        read_array(tmp_path / "x.npy", "give another")
    said = str(caught.value)
    assert expected in said and said.endswith("; give another") and "\n" not in said


def test_arrays_of_one_name_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        for name in ("a", "a.npy"):
            with archive.open(name, "w") as entry:
                np.lib.format.write_array(entry, X)
    with pytest.raises(ModelError, match=re.escape("x.npz: has two arrays called 'a'")):
        read_arrays(tmp_path / "x.npz", "")


NETWORK = random_network("lstm", (5, 8))
DOORS: dict[str, Callable[[Path], Any]] = {
    "network": read,
    "calibration": lambda path: read_sequences(path, 5),
    "state": lambda path: Session(NETWORK, engine="reference").load(path),
}


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_no_door_unpacks_more_than_the_limit(
    door: Callable[[Path], Any], method: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgelstm.files.arrays.LARGEST_BYTES", 10**6)
    with zipfile.ZipFile(tmp_path / "x.npz", "w", method) as archive:
        archive.writestr("lstm1.h.npy", bytes(10**6 + 1))
    with pytest.raises(ModelError, match="at most 1,000,000 B are read|is packed by method 1[24]"):
        door(tmp_path / "x.npz")
    assert LARGEST_BYTES == 512 * 2**20


def test_labels_are_arrays_too(tmp_path: Path) -> None:
    (tmp_path / "y.npy").write_bytes(b"no")
    with pytest.raises(ModelError, match="not a readable .npy file.*; give a file of labels"):
        read_labels(tmp_path / "y.npy")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "is empty; one time step a line is needed"),
        ("# no row\n\n", "is empty; one time step a line is needed"),
        ("1,2\n3\n", "not a table of numbers"),
        ("1,x\n", "not a table of numbers"),
        ("1,\xff\n", "not a table of numbers"),
    ],
)
def test_tables_that_are_none_are_refused_quietly(text: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(text.encode("latin1"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ModelError, match=expected):
            read_sequences(tmp_path / "x.csv", 2)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_tables_have_the_line_ends_of_any_system(end: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(end.join(["1,2", "", "  ", "3,4"]).encode())
    assert np.array_equal(read_sequences(tmp_path / "x.csv", 2)[0], [[1, 2], [3, 4]])
