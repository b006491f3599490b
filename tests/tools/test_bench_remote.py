"""What `bench --remote` says to a host, without one: words, wheel, and what is refused here."""

import csv
import io
import pathlib
import zipfile

import numpy as np
import pytest

from edgelstm.devices.device import read_device
from edgelstm.devices.device_file import device_text
from edgelstm.errors import ModelError
from edgelstm.measurement.asking import Asked
from edgelstm.measurement.stored import load_run
from edgelstm.tools import bench_remote, remote, remote_host, remote_install
from edgelstm.tools.remote_host import Done, Host, Python
from tests.tools.test_bench import RECORDED
from tests.tools.test_cli import Captured, run


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


def test_a_host_without_an_index_is_asked_about_it(monkeypatch: pytest.MonkeyPatch) -> None:
    said = b"ERROR: No matching distribution found for numpy>=1.26"
    failed = Done(1, b"", said)
    monkeypatch.setattr(Host, "try_run", lambda self, script: failed)
    with pytest.raises(ModelError, match="^pi: ERROR: No matching.*reach a package index"):
        remote_install._install(Host("pi", ()), "python", "edgelstm.whl")


def test_a_network_is_sent_as_it_is_read(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.zeros((1, 2)))
    assert remote._read(path) == path.read_bytes()
