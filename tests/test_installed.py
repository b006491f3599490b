"""Without the packages that have no wheel on 32-bit systems: what works, and what errors say."""

import contextlib
import importlib.metadata
import json
import os
import re
import struct
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from edgelstm.formats import write
from edgelstm.installed import INSTALL_32
from edgelstm.tools import doctor
from tests.networks import random_network
from tests.tools.test_cli import Captured, environment, run

ROOT = Path(__file__).parent.parent
NETWORK = random_network("lstm", (5, 8), outputs=3, last_step=True)
WITHOUT = """
import sys
for name in {missing!r}:
    sys.modules[name] = None
sys.argv = ["edgelstm", *{words!r}]
from edgelstm.tools.cli import main
main()
"""


def without(missing: tuple[str, ...], *words: Any) -> subprocess.CompletedProcess[str]:
    """The command in a process that cannot import some packages."""
    code = WITHOUT.format(missing=missing, words=[str(word) for word in words])
    return subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True
    )


def only(*names: str) -> str:
    """What `sitecustomize` says so that nothing but some distributions and what they need is here.

    Unlike `without` it holds for the processes that a command starts.
    """
    kept, todo = {"edgelstm"}, list(names)
    while todo:
        name = todo.pop().lower().replace("_", "-")
        if name not in kept:
            kept.add(name)
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # other systems'
                needs = importlib.metadata.requires(name) or []
                todo += [re.split(r"[^\w.-]", n)[0] for n in needs if "extra ==" not in n]
    missing = [
        module
        for module, owners in importlib.metadata.packages_distributions().items()
        if not kept & {owner.lower().replace("_", "-") for owner in owners}
    ]
    return f"import sys\nsys.modules.update(dict.fromkeys({missing!r}))\n"


def test_a_python_of_32_bits_profiles_and_measures_with_five_packages(tmp_path: Path) -> None:
    text = only("numpy", "typer", "rich", "jinja2", "safetensors")
    assert all(repr(name) in text for name in ("numba", "onnx", "flatbuffers", "torch"))
    (tmp_path / "sitecustomize.py").write_text(text)
    given = environment() | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    brief = "--cell gru --input 2 --hidden 3 --precision float32 --engines reference --seconds 0.2"
    for words in (
        f"bench --json --html {tmp_path}/b.html {brief}",
        f"profile --html {tmp_path}/p.html",
    ):
        command = [sys.executable, "-m", "edgelstm", *words.split()]
        done = subprocess.run(command, env=given, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        if words.startswith("bench"):
            rows = json.loads(done.stdout)["results"]
            assert {(r["engine"], r["mode"]) for r in rows} == {
                ("reference", "step"),
                ("reference", "sequence"),
            }


def test_export_leaves_out_onnx_and_says_why(tmp_path: Path) -> None:
    done = without(("numba", "onnx"), "export", "--json", "--quiet", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [artifact["format"] for artifact in report["artifacts"]] == ["tflite"]
    assert any("needs onnx: pip install onnx" in text for text in report["skipped"])
    assert report["accuracy"]["quantized"] > 0.9


@pytest.mark.slow
def test_profile_and_verify_need_neither(tmp_path: Path) -> None:
    path = write(NETWORK, tmp_path / "net.tflite")
    assert without(("numba", "onnx"), "profile", path, "--device", "rpi-3b-plus").returncode == 0
    for files in ((path,), ()):
        done = without(("numba", "onnx"), "verify", *files, "--sequences", 1)
        assert "Traceback" not in done.stderr
        assert done.returncode in (0, 1)  # by the runtimes that are installed


MISSING: dict[str, tuple[str, str]] = {
    "numba": ("doctor --warm", "--warm needs numba: pip install numba"),
    "onnx": ("profile net.onnx", "reading and writing .onnx needs onnx: pip install onnx"),
    "jinja2": ("profile --html page.html", "a page (--html) needs jinja2: pip install jinja2"),
    "flatbuffers": (
        "export net.npz --precision float32 --formats tflite",
        "writing .tflite needs flatbuffers: pip install flatbuffers",
    ),
    "h5py": ("profile net.keras", 'net.keras needs h5py: pip install "edgelstm[keras]"'),
    "safetensors": ("profile net.safetensors", "net.safetensors needs safetensors: pip install"),
}


@pytest.mark.parametrize("package", MISSING)
def test_a_missing_package_is_one_line_with_what_installs_it(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(NETWORK, "net.npz")
    write(NETWORK, "net.onnx")
    for name in ("net.safetensors", "net.keras"):
        (tmp_path / name).write_bytes(b"\0" * 16)
    words, expected = MISSING[package]
    done = without((package,), *words.split(), "--quiet")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert expected in done.stderr


def test_doctor_looks_at_the_interpreter_and_not_at_the_kernel(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("doctor", "--json") == 0
    machine = json.loads(capsys.readouterr().out)["machine"]
    assert machine["interpreter_bits"] == 8 * struct.calcsize("P")
    monkeypatch.setattr(doctor, "BITS", 32)
    assert run("doctor") == 0
    assert "safetensors jinja2 && pip install --no-deps edgelstm\n" in capsys.readouterr().out


def test_the_line_for_32_bits_installs_all_but_what_has_no_wheel() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {text.partition(">=")[0]: text for text in project["dependencies"]}
    for name, text in names.items():
        everywhere = name not in ("numba", "onnx")
        assert (f" {name}" in INSTALL_32.split("&&")[0]) is everywhere
        assert ("platform_machine not in 'armv6l armv7l armv8l'" in text) is not everywhere
