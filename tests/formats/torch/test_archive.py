"""What torch loads of a .pt file is what was checked; torch's own files are read right."""

import io
import os
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgelstm.errors import ModelError
from edgelstm.formats import read
from edgelstm.formats.torch.archive import rebuild
from edgelstm.layers.recurrent import Recurrent
from tests.torch_modules import Net, torch


def saved(value: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


def entries(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(contents: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return file.getvalue()


def said(content: bytes) -> str:
    with pytest.raises(ModelError) as caught:
        rebuild(content)
    assert "\n" not in str(caught.value)
    return str(caught.value)


KINDS = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.bool)


def tensors() -> dict[str, Any]:
    """Every kind, views that share a storage, turned, of one value, without values."""
    whole = torch.arange(24.0).reshape(4, 6)
    kinds = {str(kind): torch.arange(7).to(kind) for kind in KINDS}
    views = {"row": whole[1], "turned": whole.T, "part": whole[1:3, ::2], "whole": whole}
    return kinds | views | {"scalar": torch.tensor(3.0), "none": torch.empty(0, 5)}


@pytest.mark.filterwarnings("ignore:Detected pickle protocol 3:UserWarning")
@pytest.mark.parametrize("form", ["plain", "unaligned", "protocol 3", "Python's zipfile"])
def test_torch_loads_the_same_from_the_rebuilt_archive(form: str) -> None:
    expected = {"state": tensors(), "epoch": 7, "history": [0.5, 0.25], "name": "ü"}
    content = saved(expected, pickle_protocol=3 if form == "protocol 3" else 2)
    if form == "unaligned":
        content = zipped(entries(content))
    elif form == "Python's zipfile":
        kept = {k: v for k, v in entries(content).items() if "/." not in k}
        content = zipped({k: v for k, v in kept.items() if not k.endswith("byteorder")})
    got = torch.load(rebuild(content), weights_only=True)
    assert list(got) == list(expected) and got["history"] == [0.5, 0.25] and got["name"] == "ü"
    for name, tensor in tensors().items():
        assert got["state"][name].dtype == tensor.dtype
        assert torch.equal(got["state"][name], tensor)
    shared = [got["state"][name].untyped_storage().data_ptr() for name in ("row", "turned")]
    assert shared[0] == shared[1]


@pytest.mark.parametrize("prefix", ["", "module."])
def test_checkpoints_are_read(prefix: str, tmp_path: Path) -> None:
    module = Net().rnn
    optimizer = torch.optim.Adam(module.parameters())
    sum(parameter.sum() for parameter in module.parameters()).backward()
    optimizer.step()
    weights = {prefix + name: tensor for name, tensor in module.state_dict().items()}
    torch.save({"model": weights, "optimizer": optimizer.state_dict()}, tmp_path / "net.pt")
    (got,) = read(tmp_path / "net.pt").layers
    assert isinstance(got, Recurrent)
    assert np.array_equal(got.forward.weight_hh, module.weight_hh_l0.detach().numpy())


def test_entries_that_are_not_needed_are_left_out() -> None:
    good = entries(saved(torch.nn.LSTM(3, 5).state_dict()))
    folder = next(iter(good)).partition("/")[0]
    more = {f"{folder}/DATA.PKL": b"evil", f"{folder}/extra/x": b"1", "other": b"2", "a/b": b"3"}
    got = list(entries(rebuild(zipped(more | good)).getvalue()))
    data = [f"archive/data/{k}" for k in range(4)]
    assert sorted(got) == sorted(
        ["archive/data.pkl", "archive/byteorder", "archive/version", *data]
    )


@pytest.mark.parametrize("name", ["DATA.PKL", "Data.pkl", "data.pkl/", "data.PKL"])
def test_a_pickle_of_another_name_is_none(name: str) -> None:
    good = entries(saved(torch.nn.LSTM(3, 5).state_dict()))
    assert "holds 0 entries called data.pkl" in said(
        zipped({key.replace("data.pkl", name): content for key, content in good.items()})
    )


def test_archives_of_two_minds_are_refused() -> None:
    content = saved(torch.nn.LSTM(3, 5).state_dict())
    good = entries(content)
    other = {f"other/{key.partition('/')[2]}": value for key, value in good.items()}
    assert "holds 2 entries called data.pkl" in said(zipped(good | other))
    assert "ends with two directories that differ" in said(content + content)
    assert "is not a zip archive that ends with its directory" in said(content + b"\0")
    assert "is not a zip archive that ends with its directory" in said(content[:-1])
    end = content.index(b"PK\6\6")
    moved = bytearray(content)
    moved[end + 48 : end + 56] = struct.pack("<Q", 64)
    assert "two directories that differ" in said(bytes(moved))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_programs_are_named(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.script(torch.nn.Linear(3, 2)), tmp_path / "net.pt")
    assert "is a program of torch.jit" in said((tmp_path / "net.pt").read_bytes())
    exported = torch.export.export(torch.nn.Linear(3, 2), (torch.ones(1, 3),))
    torch.export.save(exported, tmp_path / "exported.pt2")
    assert "is a program of torch.jit" in said((tmp_path / "exported.pt2").read_bytes())


def test_a_changed_weight_is_refused() -> None:
    values = torch.nn.LSTM(3, 5)
    content = bytearray(saved(values.state_dict()))
    place = content.index(values.weight_ih_l0.detach().numpy().tobytes())
    content[place] ^= 1
    assert "data/0' is damaged: its size or checksum differs" in said(bytes(content))


def test_a_pickle_without_end_is_refused() -> None:
    good = entries(saved({}))
    long = {
        key: b"\x80\x02" + b"N0" * 10**6 + b"}." if key.endswith("pkl") else value
        for key, value in good.items()
    }
    assert "has a pickle of above 1,000,000 instructions" in said(zipped(long))


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_memory_is_at_most_three_times_the_file(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    torch.save({"weights": torch.nn.LSTM(8, 16).state_dict(), "x": torch.ones(25 * 10**6)}, path)
    code = (
        "import sys, torch\n"
        "from edgelstm.formats import read, torch as _\n"
        "peak = lambda: int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])\n"
        "before = peak()\n"
        "read(sys.argv[1])\n"
        "print((peak() - before) * 1024)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
    assert int(done.stdout) < 3 * os.path.getsize(path), done.stderr
