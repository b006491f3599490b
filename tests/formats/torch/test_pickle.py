"""Pickles in `.pt` files: what they would do is read, never done, and the way out is said."""

import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from edgelstm.errors import ModelError
from edgelstm.formats import read
from tests.torch_modules import Net, torch

WAY_OUT = (
    "save the weights alone, torch.save(model.state_dict(), 'model.pt'), or give the module "
    "to from_torch in Python"
)


def refusal(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        read(path)
    return str(caught.value)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_whole_module_is_named_with_the_way_out(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    torch.save(Net(), path, pickle_protocol=protocol)
    named = "holds pickled objects (tests.torch_modules.Net), which are never loaded"
    assert refusal(path) == f"net.pt: {named}; {WAY_OUT}"


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_state_dict_is_read_in_the_protocols_that_torch_reads(
    protocol: int, tmp_path: Path
) -> None:
    path = tmp_path / "net.pt"
    torch.save(Net().rnn.state_dict(), path, pickle_protocol=protocol)
    if protocol <= 3:
        assert [layer.name for layer in read(path).layers] == ["lstm1"]
    else:
        assert f"is pickled in protocol {protocol}, which torch loads" in refusal(path)
        assert "leave pickle_protocol out" in refusal(path)


def test_a_file_of_old_torch_has_a_way_out(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    torch.save(Net().state_dict(), path, _use_new_zipfile_serialization=False)
    assert "a zip archive; load it where it was written and save it again: torch.save(" in (
        refusal(path)
    )


def put(k: int) -> bytes:
    return b"q" + bytes([k])


def get(k: int) -> bytes:
    return b"h" + bytes([k])


# Two equal items make a tuple, 60 times over: 2**60 leaves in some 300 bytes.
DOUBLED: dict[str, Any] = {
    "by name": b"".join(put(k) + get(k) + b"\x86" for k in range(60)),
    "by mark": b"".join(put(k) + b"0(" + get(k) + get(k) + b"t" for k in range(60)),
    "by copy": b"2\x86" * 60,
}


@pytest.mark.parametrize("doubled", DOUBLED.values(), ids=DOUBLED)
def test_a_key_that_doubles_itself_is_refused_at_once(doubled: bytes, tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", b"\x80\x02}K\x01\x85" + doubled + b"K\x01s.")
    began = time.perf_counter()
    assert "holds tuples of more than 1000 values" in refusal(path)
    assert time.perf_counter() - began < 5  # milliseconds; a hash of the key would take years
