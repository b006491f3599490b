"""A format that writes a folder, which exists in this test alone: written, read back, verified."""

import json
import pathlib
import sys
import types

import numpy as np
import pytest

import edgelstm
from edgelstm.errors import ModelError
from edgelstm.files.disk import Contents
from edgelstm.formats.asked import Asked
from edgelstm.formats.onnx.write import KINDS
from edgelstm.formats.signature import FileFacts
from edgelstm.formats.table import FORMATS, Format
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.runtimes import isolation
from edgelstm.verification import verifier
from tests.networks import random_input, random_network
from tests.tools.test_cli import Captured, run

pytest.importorskip("onnxruntime", reason="pip install onnxruntime")
NETWORK = random_network("lstm", (3, 4), outputs=2)


def encode(
    network: Network | QuantizedNetwork,
    *,
    steps: int,
    streaming: bool,
    target: str | None,
    name: str,
) -> Contents:
    assert name.endswith(".parts")
    from edgelstm.formats.onnx.write import encode as one

    graph = one(network, steps=steps, streaming=streaming, target=target)[""]
    return {"graph/net.onnx": graph, "about.json": json.dumps({"steps": steps}).encode()}


def read(path: pathlib.Path, asked: Asked) -> Network | QuantizedNetwork:
    assert set(json.loads((path / "about.json").read_text())) == {"steps"}
    return edgelstm.read(path / "graph/net.onnx")


def facts(path: pathlib.Path) -> FileFacts:
    from edgelstm.formats import facts

    return facts(path / "graph/net.onnx")


@pytest.fixture(autouse=True)
def parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """`.parts` is a format, and ONNX Runtime runs the graph in it."""
    module = types.ModuleType("edgelstm.formats.parts")
    vars(module).update(encode=encode, read=read, facts=facts, KINDS=KINDS)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    known = Format("parts:read", "parts:encode", "onnx:refusal", "parts:facts", is_folder=True)
    monkeypatch.setitem(FORMATS, ".parts", known)
    monkeypatch.setitem(verifier.SERVES, (".parts", "float32"), ("onnxruntime",))
    execute = isolation.execute
    monkeypatch.setattr(
        isolation,
        "execute",
        lambda name, path, *given, **asked: execute(name, path / "graph/net.onnx", *given, **asked),
    )


def test_it_is_written_and_read_back(tmp_path: pathlib.Path) -> None:
    path = edgelstm.write(NETWORK, tmp_path / "net.parts", steps=7)
    assert list(tmp_path.iterdir()) == [path] and path.is_dir()
    assert json.loads((path / "about.json").read_text()) == {"steps": 7}
    x = random_input(NETWORK, 2, 5)
    expected = edgelstm.run(NETWORK, x, engine="reference")
    got = edgelstm.run(edgelstm.read(path), x, engine="reference")
    np.testing.assert_allclose(got, expected, atol=1e-6)  # biases merge in ONNX
    edgelstm.write(NETWORK, path, steps=8)
    assert json.loads((path / "about.json").read_text()) == {"steps": 8}


def test_verify_takes_the_folder_like_a_file(tmp_path: pathlib.Path, capsys: Captured) -> None:
    path = edgelstm.write(NETWORK, tmp_path / "net.parts")
    (same,) = edgelstm.verify(path).verified
    assert (same.status, same.mismatches) == ("ok", 0) and same.values
    (other,) = edgelstm.verify(path, random_network("lstm", (3, 4), outputs=2, seed=9)).verified
    assert other.status == "differs"
    assert run("verify", path, "--json", "--sequences", 2) == 0
    assert json.loads(capsys.readouterr().out)["verified"][0]["artifact"] == str(path)


def test_export_writes_it_with_the_sum_of_its_sizes(
    tmp_path: pathlib.Path, capsys: Captured
) -> None:
    given = edgelstm.write(NETWORK, tmp_path / "net.npz")
    words = ("export", given, "-o", tmp_path, "--formats", "parts", "--precision", "float32")
    assert run(*words, "--json", "--quiet") == 0
    report = json.loads(capsys.readouterr().out)
    (artifact,) = report["artifacts"]
    files = [f for f in (tmp_path / "net_float32.parts").rglob("*") if f.is_file()]
    assert artifact["bytes"] == sum(f.stat().st_size for f in files) and len(files) == 2
    assert [v["status"] for v in report["verified"]] == ["ok"]


def test_a_folder_of_another_format_is_none(tmp_path: pathlib.Path) -> None:
    (tmp_path / "net.onnx").mkdir()
    with pytest.raises(ModelError, match="net.onnx is a folder, not a file"):
        edgelstm.read(tmp_path / "net.onnx")
    (tmp_path / "net.parts").write_bytes(b"")
    with pytest.raises(ModelError, match="net.parts is a file, not a folder"):
        edgelstm.read(tmp_path / "net.parts")
