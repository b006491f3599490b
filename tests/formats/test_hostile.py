"""Broken and hostile files: one line that names the file, nothing executed, nothing large made."""

import json
import os
import pickle
import random
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from onnx.helper import make_node

from edgelstm.errors import ModelError
from edgelstm.formats import read
from tests.foreign_onnx import HIDDEN, constants, lstm, node, save
from tests.torch_modules import Net, torch

safetensors = pytest.importorskip("safetensors.torch")

SUFFIXES = (".pt", ".safetensors", ".onnx")
MANY = 10**12


def valid(suffix: str, folder: Path) -> Path:
    path = folder / f"net{suffix}"
    if suffix == ".pt":
        torch.save(Net().rnn.state_dict(), path)
    elif suffix == ".safetensors":
        safetensors.save_file(Net().rnn.state_dict(), path)
    else:
        nodes = [lstm("", "zeros", "zeros"), node("Squeeze", "Y_h zero", "last")]
        shape = make_node("ConstantOfShape", ["shape"], ["zeros"], "start")
        save(
            path,
            [shape, *nodes, node("Gemm", "last M C")],
            constants() | {"shape": np.array([1, 1, HIDDEN])},
        )
    read(path)
    return path


def refusal(path: Path) -> str:
    """What `read` says; any other exception than ModelError is a failure."""
    with pytest.raises(ModelError) as caught:
        read(path)
    said = str(caught.value)
    assert said.startswith(path.name) and "\n" not in said
    return said


def damaged(content: bytes, seed: int) -> Iterator[bytes]:
    """Copies with bits flipped, pieces overwritten, taken out, put in and repeated elsewhere."""
    rng = random.Random(seed)
    for _ in range(60):
        copy, at, size = bytearray(content), rng.randrange(len(content)), rng.randrange(1, 30)
        copy[at] ^= 1 << rng.randrange(8)
        yield bytes(copy)
        copy[at : at + size] = rng.randbytes(size)
        yield bytes(copy)
        yield content[:at] + content[at + size :]
        yield content[:at] + rng.randbytes(size) + content[at:]
        source = rng.randrange(len(content))
        yield content[:at] + content[source : source + size] + content[at + size :]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_truncated_files_are_refused(suffix: str, tmp_path: Path) -> None:
    path = valid(suffix, tmp_path)
    content = path.read_bytes()
    for k in range(60):
        path.write_bytes(content[: len(content) * k // 60])
        refusal(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("seed", [0, 1])
def test_damaged_files_are_read_or_refused(suffix: str, seed: int, tmp_path: Path) -> None:
    path = valid(suffix, tmp_path)
    n_refused = 0
    for content in damaged(path.read_bytes(), seed):
        path.write_bytes(content)
        try:
            read(path)
        except ModelError as error:
            assert path.name in str(error) and "\n" not in str(error)
            n_refused += 1
    assert n_refused > 100


class Runs:
    """Unpickling it calls os.mkdir."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def test_pickles_that_run_code_are_refused_and_run_nothing(tmp_path: Path) -> None:
    marker, path = tmp_path / "ran", tmp_path / "net.pt"
    evil = Runs(marker)
    torch.save({"weight_ih_l0": torch.zeros(4, 1), "weight_hh_l0": evil}, path)
    assert "holds pickled objects (posix.mkdir), which are never loaded" in refusal(path)
    torch.save({"weight_ih_l0": evil}, path, _use_new_zipfile_serialization=False)
    assert "save it again: torch.save(model.state_dict()" in refusal(path)
    path.write_bytes(pickle.dumps(evil))
    assert "save it again: torch.save(model.state_dict()" in refusal(path)
    write_archive(path, pickle.dumps(evil, 4))
    assert "holds pickled objects (posix.mkdir)" in refusal(path)
    assert not marker.exists()


def write_archive(path: Path, pickled: bytes, compression: int = zipfile.ZIP_STORED) -> None:
    """What torch.save would write around a pickle, with one storage of 48 B."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("net/data.pkl", pickled)
        archive.writestr("net/data/0", bytes(48))
        archive.writestr("net/version", "3\n")


def number(n: int) -> bytes:
    return b"\x8a\x08" + struct.pack("<q", n)


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def state_dict_pickle(n_stored: int, n_rows: int, stride: int) -> bytes:
    """A state dict of one matrix (n_rows, 1) over a storage of so many values."""
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu")
    rebuild = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + number(n_stored) + b"tQ" + b"K\0"
    shape = number(n_rows) + b"K\x01\x86" + number(stride) + b"K\x01\x86"
    ordered = b"ccollections\nOrderedDict\n)R"
    return b"\x80\x02}" + text("fc.weight") + rebuild + shape + b"\x89" + ordered + b"tRs."


def claims(folder: Path) -> Iterator[Path]:
    """Small files that ask for very much."""
    header = {"weight": {"dtype": "F32", "shape": [MANY], "data_offsets": [0, 4 * MANY]}}
    for k, shape in enumerate(([MANY], [MANY, 0], [2**40, 2**40])):
        header["weight"]["shape"] = shape
        text_ = json.dumps(header).encode()
        path = folder / f"claims{k}.safetensors"
        path.write_bytes(struct.pack("<Q", len(text_)) + text_)
        yield path
    pickles = {
        "storage": state_dict_pickle(MANY, MANY, 1),
        "shape": state_dict_pickle(12, MANY, 1),
        "stride": state_dict_pickle(12, MANY, 0),
        "quantized": state_dict_pickle(12, 12, 1).replace(b"Float", b"QInt8"),
        "absent": state_dict_pickle(12, 12, 1).replace(b"Float", b"Absent"),
        "bytes": b"\x80\x02cbuiltins\nbytearray\n" + number(MANY) + b"\x85R.",
        "tensor": b"\x80\x02ctorch\nTensor\n" + number(MANY) + b"\x85R.",
        "raw": b"\x80\x02ctorch.storage\nUntypedStorage\n" + number(MANY) + b"\x85R.",
    }
    for name, pickled in pickles.items():
        write_archive(folder / f"{name}.pt", pickled)
        yield folder / f"{name}.pt"
    write_archive(folder / "bomb.pt", bytes(10**8), zipfile.ZIP_DEFLATED)
    yield folder / "bomb.pt"
    yield from claiming_onnx(folder)


def claiming_onnx(folder: Path) -> Iterator[Path]:
    of_shape = make_node("ConstantOfShape", ["many"], ["zeros"], "a")
    expand = make_node("Expand", ["one", "many"], ["zeros"], "a")
    double = [node("Concat", f"c{k} c{k}", f"c{k + 1}", axis=0) for k in range(40)]
    wide = [node("Unsqueeze", "column one", "row"), node("Add", "column row", "zeros")]
    gather = node("Gather", "indices indices", "zeros")
    starts = node("Identity", "zeros", "start")
    arrays = constants() | {
        "many": np.array([MANY]),
        "c0": np.zeros(1000, np.float32),
        "column": np.zeros((50_000, 1), np.float32),
        "indices": np.zeros((10_000, 1000), np.int8),
    }
    for name, nodes in {
        "of_shape": [of_shape, starts],
        "expand": [expand, starts],
        "double": [*double, node("Identity", "c40", "start")],
        "wide": [*wide, starts],
        "gather": [gather, starts],
    }.items():
        needed = {i for n in nodes for i in n.input} | {"W", "R", "B"}
        held = {k: v for k, v in arrays.items() if k in needed}
        yield save(folder / f"{name}.onnx", [*nodes, lstm("", "start")], held, output="Y")
    for field in ("raw_data", "float_data"):
        path = save(folder / f"{field}.onnx", [lstm()], output="Y")
        model = onnx.load(path)
        model.graph.initializer[0].dims[:] = [MANY, MANY]
        if field == "float_data":
            model.graph.initializer[0].ClearField("raw_data")
        path.write_bytes(model.SerializeToString())
        yield path


def test_claims_are_refused_in_little_time_and_memory(tmp_path: Path) -> None:
    paths = list(claims(tmp_path))
    code = (
        "import sys\n"
        "from edgelstm.formats import read\n"
        "for path in sys.argv[1:]:\n"
        "    try: read(path); print('READ', path)\n"
        "    except ValueError as error: print(error)\n"
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])\n"
    )
    start = time.monotonic()
    got = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True)
    seconds = time.monotonic() - start
    assert got.returncode == 0, got.stderr[-500:]
    *lines, peak_kib = got.stdout.splitlines()
    for path, line in zip(paths, lines, strict=True):
        assert line.startswith(path.name), line
    assert seconds < 20
    assert int(peak_kib) * 1024 < 10**9  # torch alone takes 0.4 GB


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A model's folder; beside it a file that is not the model's."""
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(bytes(10_000))
    (folder / "link").symlink_to(tmp_path / "secret")
    return folder


@pytest.mark.parametrize(
    "entries, said",
    [
        (
            {"location": "../secret"},
            "lies in '../secret', which is not a file in the model's folder",
        ),
        ({"location": "/etc/passwd"}, "which is not a file in the model's folder"),
        ({"location": "link"}, "lies in 'link', which is not a file in the model's folder"),
        ({"location": "."}, "which is not a file in the model's folder"),
        ({}, "lies in '', which is not a file in the model's folder"),
        ({"location": "a\0b"}, r"its place 'a\x00b' is broken"),
        ({"location": "net.onnx", "offset": "x"}, "offset is 'x'; a whole number from 0"),
        ({"location": "net.onnx", "offset": "-1"}, "offset is -1; a whole number from 0"),
        ({"location": "net.onnx", "offset": str(MANY)}, f"lies at {MANY} to"),
        ({"location": "net.onnx", "length": str(MANY)}, f"of 320 B lies at 0 to {MANY}"),
        ({"location": "net.onnx", "length": "1"}, "of 320 B lies at 0 to 1 of 'net.onnx'"),
    ],
)
def test_tensors_outside_of_the_models_folder_are_not_read(
    entries: dict[str, str], said: str, outside: Path
) -> None:
    path = save(outside / "net.onnx", [lstm()], output="Y")
    model = onnx.load(path)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())
    assert "tensor 'W'" in refusal(path) and said in refusal(path)


@pytest.mark.parametrize(
    "name, array, said",
    [
        ("W", np.full((1, 16, 5), np.nan, np.float32), "weight_ih holds 80 values of 80 that are"),
        ("B", np.full((1, 32), np.inf, np.float32), "bias_ih holds 16 values of 16 that are not"),
        (
            "R",
            np.zeros((1, 0, 0), np.float32),
            "and R of shape (1, 0, 0)",
        ),
        ("W", np.zeros((1, 16, 0), np.float32), "weight_ih has shape (16, 0)"),
        ("W", np.zeros((1, 16, 5), np.int8), "tensor 'W' is int8; weights are needed in float16"),
        ("W", np.zeros((1, 16, 5), np.complex64), "tensor 'W' has type 14, which is not read"),
    ],
)
def test_weights_that_are_no_weights_are_named(
    name: str, array: Any, said: str, tmp_path: Path
) -> None:
    path = save(tmp_path / "net.onnx", [lstm()], constants() | {name: array}, output="Y")
    assert said in refusal(path)


def test_texts_that_are_no_text_stay_in_one_line(tmp_path: Path) -> None:
    path = save(tmp_path / "net.onnx", [node("Conv", "x", "Y")], {}, output="Y")
    path.write_bytes(path.read_bytes().replace(b"Conv", b"\xff\n\xfe\x80"))
    refusal(path)
    torch.save({"a\nb.weight": torch.zeros(3)}, tmp_path / "net.pt")
    assert "tensor 'a b.weight' has shape (3,)" in refusal(tmp_path / "net.pt")
