"""`.npz`: everything survives the round trip; foreign and hostile files are read or refused."""

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgelstm.errors import ModelError
from edgelstm.execution.session import run
from edgelstm.formats import read, write
from edgelstm.formats.description import describe, named_arrays
from edgelstm.formats.restored import restore
from edgelstm.quantization.quantizer import quantize
from tests.networks import random_input, random_network


def networks() -> list[Any]:
    network = random_network(
        "lstm", (5, 16, 3), cell_clip=2, outputs=4, activation="softmax", last_step=True
    )
    int8 = quantize(network, random_input(network, 4, 9))
    return [network, random_network("gru", (5, 8)), int8, quantize(network, None, "hybrid")]


@pytest.mark.parametrize("network", networks(), ids=["float32", "gru", "int8", "hybrid"])
def test_a_network_survives_the_round_trip(network: Any, tmp_path: Path) -> None:
    got = read(write(network, tmp_path / "net.npz"))
    assert describe(got) == describe(network)
    for name, array in named_arrays(network).items():
        assert named_arrays(got)[name].dtype == array.dtype
        assert np.array_equal(named_arrays(got)[name], array)
    x = random_input(network, 2, 7)
    expected = run(network, x, engine="reference")
    assert np.array_equal(run(got, x, engine="reference"), expected)


def test_a_foreign_state_dict_is_read_with_assumptions(tmp_path: Path) -> None:
    network = random_network("lstm", (5, 16), outputs=4)
    np.savez(tmp_path / "net.npz", **named_arrays(network))  # type: ignore[arg-type]
    got = read(tmp_path / "net.npz")
    assert got.last_step and got.assumed
    for name, array in named_arrays(got).items():
        assert np.array_equal(named_arrays(network)[name], array)


def test_own_files_take_no_assumptions(tmp_path: Path) -> None:
    path = write(random_network("lstm", (5, 16), outputs=4), tmp_path / "net.npz")
    assert read(path, head="each").last_step is False
    with pytest.raises(ModelError, match="the file gives each step; leave head out"):
        read(path, head="last")


def header(shape: tuple[int, ...], kind: str = "<f4") -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": kind, "fortran_order": False, "shape": shape}
    )
    return file.getvalue()


def archive(path: Path, **entries: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries.items():
            file.writestr(f"{name}.npy", content)
    return path


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ({"a": header((10**12,))}, "not as long as its shape (1000000000000,)"),
        ({"a": header((2, 2)) + bytes(15)}, "not as long as its shape"),
        ({"a": header((1,), "|O") + b"cos\nsystem\n"}, "holds object, not numbers"),
        ({"a": b"\x93NUMPY\x07\x00"}, "not a readable .npy file"),
        ({"a": b""}, "not a readable .npy file"),
        ({"edgelstm": header((2,), "|u1") + b"{,"}, "is not JSON"),
        ({"edgelstm": header((2,), "|u1") + b"{}"}, "does not fit the arrays"),
        ({"edgelstm": header((2,), "|u1") + b"[]"}, "does not fit the arrays"),
    ],
)
def test_hostile_entries_are_refused(
    entries: dict[str, bytes], expected: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=re.escape(expected)):
        read(archive(tmp_path / "net.npz", **entries))


def test_an_archive_that_unpacks_to_gigabytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("a.npy", "w") as entry:
        for _ in range(600):
            entry.write(bytes(2**20))
    with pytest.raises(ModelError, match="at most 536,870,912 B are read"):
        read(path)


def test_truncated_and_damaged_files_are_refused_or_read(tmp_path: Path) -> None:
    content = write(networks()[2], tmp_path / "net.npz").read_bytes()
    rng = np.random.default_rng(0)
    for cut in range(0, len(content), 397):
        (tmp_path / "cut.npz").write_bytes(content[:cut])
        with pytest.raises(ModelError):
            read(tmp_path / "cut.npz")
    for _ in range(200):
        damaged = bytearray(content)
        damaged[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
        (tmp_path / "damaged.npz").write_bytes(damaged)
        try:
            read(tmp_path / "damaged.npz")
        except ModelError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", 99),
        ("precision", "int3"),
        ("layers", None),
        ("layers", [{"name": "lstm1"}]),
        ("layers", [{"name": "no such", "cell": "lstm", "cell_clip": 0}]),
    ],
)
def test_descriptions_that_do_not_fit_are_refused(key: str, value: Any, tmp_path: Path) -> None:
    network = networks()[2]
    text = json.dumps(describe(network) | {key: value}).encode()
    arrays: dict[str, Any] = {**named_arrays(network), "edgelstm": np.frombuffer(text, np.uint8)}
    np.savez(tmp_path / "net.npz", **arrays)
    with pytest.raises(ModelError):
        read(tmp_path / "net.npz")


@pytest.mark.parametrize("order", [[0], [2, 0]], ids=["in front of all", "behind a dense layer"])
def test_a_reverse_direction_needs_one_that_reads_forward(order: list[int]) -> None:
    network = networks()[2]
    described = describe(network)
    described["layers"][0]["reverse"] = True
    described["layers"] = [described["layers"][k] for k in order]
    told = "layer 'lstm1' is described as a reverse direction, but none that reads forward"
    with pytest.raises(ModelError, match=told):
        restore(described, named_arrays(network))


@pytest.mark.parametrize("last_step", [False, True])
def test_a_description_without_layers_says_so(last_step: bool) -> None:
    described = describe(networks()[0]) | {"layers": [], "last_step": last_step}
    with pytest.raises(ModelError, match="the network has no layers"):
        restore(described, {})
