"""What `bench --remote` says to a host, without one: words, wheel, and what is refused here."""

import csv
import dataclasses
import io
import pathlib
import tomllib
import zipfile

import numpy as np
import pytest

from edgelstm import installed
from edgelstm.devices.device import read_device
from edgelstm.devices.device_file import device_text
from edgelstm.errors import ModelError
from edgelstm.measurement.asking import Asked
from edgelstm.measurement.stored import load_run
from edgelstm.tools import bench_remote, remote, remote_host, remote_install, remote_offline
from edgelstm.tools.remote_host import Host, Python
from tests.tools.test_bench import RECORDED
from tests.tools.test_cli import Captured, run

ROOT = pathlib.Path(__file__).parents[2]


def test_options_become_words_and_files(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[remote.Job] = []

    def measured(host: str, job: remote.Job, tell: object) -> object:
        asked.append(job)
        return load_run(RECORDED)

    monkeypatch.setattr(remote, "measured", measured)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    given = Asked(
        engines=("numba", "litert"), seconds=3.0, device="rpi-5", model="own", command="edgelstm"
    )
    calibration = tmp_path / "x.npy"
    got = bench_remote.run("pi", None, (given, calibration), lambda text: None)
    assert (got.model, got.command) == ("own", "edgelstm")
    (job,) = asked
    expected = "--engines numba,litert --seconds 3.0 --threads 1 --seed 0 --device rpi-5"
    assert job.words == expected.split()
    assert job.files == {"--calibration": calibration} and job.network is None
    own = tmp_path / "edgelstm/devices/bench.toml"
    own.parent.mkdir(parents=True)
    own.write_text("")
    bench_remote.run("pi", None, (Asked(device="bench"), None), lambda text: None)
    assert asked[1].files == {"--device": own} and "--device" not in asked[1].words


def test_a_calibrated_device_is_brought_and_written_under_its_name(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    text = device_text(read_device("rpi-5")).replace('"rpi-5"', '"workshop"')
    monkeypatch.setattr(remote, "done", lambda host, job, tell: text.encode())
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    out = tmp_path / "pi.toml"
    assert run("bench", "--calibrate", "--remote", "pi", "-o", out, "--json") == 0
    own = tmp_path / "edgelstm/devices/workshop.toml"
    assert own.read_bytes() == out.read_bytes() and read_device("workshop").kind == "sbc"


def test_the_wheel_holds_every_file_with_its_digest_and_is_the_same_each_time() -> None:
    name, content = remote_install.wheel()
    assert name.endswith("-py3-none-any.whl") and remote_install.wheel() == (name, content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = set(archive.namelist())
        (record,) = (n for n in names if n.endswith("/RECORD"))
        rows = list(csv.reader(io.StringIO(archive.read(record).decode())))
        (metadata,) = (n for n in names if n.endswith("/METADATA"))
        assert b"Provides-Extra: runtimes" in archive.read(metadata)
    assert {row[0] for row in rows} == names
    for part in ("kernels/c/edgelstm_lstm.c", "tools/frame.html", "devices/rpi-5.toml", "py.typed"):
        assert f"edgelstm/{part}" in names, part
    assert not any("__pycache__" in n for n in names)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--remote", "-oProxyCommand=x"), "user@host, or what ssh knows, is needed"),
        (("--remote", "pi; rm"), "user@host, or what ssh knows, is needed"),
        (("--remote", "pi", "--core", "cortex-m4"), "--core counts and measures no time"),
        (("--remote", "pi", "--seconds", "0"), "a number above 0 is needed"),
    ],
)
def test_bad_input_is_one_line(words: tuple[str, ...], told: str, capsys: Captured) -> None:
    assert run("bench", *words) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: ") and told in last


def test_the_first_interpreter_that_is_new_enough_is_taken() -> None:
    found = [Python(f"/usr/bin/{minor}", (3, minor), 64, True) for minor in (9, 12, 13)]
    assert remote_host.chosen(Host("pi", ()), found).path == "/usr/bin/12"


PI = Python("/usr/bin/python3", (3, 11), 64, True, "aarch64", (2, 36))


@pytest.mark.parametrize(
    ("python", "has_uv", "told"),
    [
        (PI, False, 'uv, which resolves packages for it, is not .* install "edgelstm.remote."'),
        (dataclasses.replace(PI, machine="riscv64"), True, "has riscv64 with glibc 2.36; wheels"),
        (dataclasses.replace(PI, glibc=(0, 0)), True, "has aarch64 with glibc 0.0; wheels are"),
    ],
)
def test_what_cannot_be_resolved_for_a_host_is_one_line(
    python: Python, has_uv: bool, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_offline, "is_installed", lambda package: has_uv)
    with pytest.raises(ModelError, match=f"^pi reaches no package index.*{told}"):
        remote_offline.resolved("pi", "numpy", python)


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = ("runtimes", "joulescope", "gpio", "search")


def test_wheels_are_those_of_the_host(tmp_path: pathlib.Path) -> None:
    python = dataclasses.replace(PI, version=(3, 13))
    found = remote_offline.downloaded("pi", ["markupsafe==3.0.3", "six==1.17.0"], python, tmp_path)
    assert [path.name.partition("-cp313-manylinux")[0] for path in found] == [
        "markupsafe-3.0.3-cp313",
        "six-1.17.0-py2.py3-none-any.whl",
    ]
    assert "aarch64" in found[0].name
    with pytest.raises(ModelError, match="^pi: its packages cannot be downloaded here: ERROR: "):
        remote_offline.downloaded("pi", ["numba==0.1.99"], python, tmp_path)


@pytest.mark.parametrize("minor", [11, 12, 13])
def test_uv_finds_a_wheel_of_everything_for_64_bit_boards(minor: int) -> None:
    if not installed.is_installed("uv"):
        pytest.skip(installed.install_line("uv"))
    extras = [line for extra in EXTRAS for line in PROJECT["optional-dependencies"][extra]]
    python = dataclasses.replace(PI, version=(3, minor))
    found = remote_offline.resolved("pi", "\n".join([*PROJECT["dependencies"], *extras]), python)
    names = {line.partition("==")[0] for line in found}
    expected = {"numpy", "numba", "onnx", "onnxruntime", "ai-edge-litert", "torch", "gpiod"}
    assert names >= expected | {"joulescope"} and "tflite-micro" not in names


def test_a_network_is_sent_as_it_is_read(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.zeros((1, 2)))
    assert remote._read(path) == path.read_bytes()
