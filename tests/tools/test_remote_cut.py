"""What a host's command leaves when its link, or the command, is cut; a script stands for it."""

import pathlib
import time
from collections.abc import Iterator

import pytest

from edgelstm.devices.device import read_device
from edgelstm.devices.device_file import device_text
from edgelstm.errors import ModelError
from edgelstm.tools import bench_remote, remote
from edgelstm.tools.output import Tell
from tests.tools import sshd
from tests.tools.sshd import HERE, Server

sshd.check_installed()
BEGIN = "echo 'taking turns ...' >&2\nsleep 0.6\n"
WRITE = "cp {device} device.toml\necho '{{}}'"  # `bench --calibrate --json`
FAIL = "echo 'error: the machine is too busy to be calibrated' >&2\nexit 2"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with sshd.serving(tmp_path_factory.mktemp("sshd")) as found:
        client = found.folder / "client"
        sshd.write_client(found, client)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PATH", f"{client}:/usr/bin:/bin")
            yield found


def play(server: Server, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A script in place of the interpreter that has edgelstm there."""
    device = server.folder / "measured.toml"
    device.write_text(device_text(read_device("rpi-5")), "utf-8")
    program = server.programs / "python"
    program.write_text("#!/bin/sh\n" + text.format(device=device))
    program.chmod(0o755)
    monkeypatch.setattr(remote, "installed", lambda host, tell: str(program))


def cutting(server: Server) -> Tell:
    """Cuts every connection as soon as the command there says something."""

    def tell(text: str) -> None:
        if text == "here: taking turns":
            sshd.cut(server)

    return tell


def left(server: Server) -> list[pathlib.Path]:
    """Folders of runs."""
    return list((server.home / ".cache/edgelstm").glob("run-*"))


def test_a_device_comes_over_a_link_that_was_cut(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(server, monkeypatch, BEGIN + WRITE)
    assert bench_remote.calibrated(HERE, 5.0, None, cutting(server)) == read_device("rpi-5")
    assert left(server) == []


@pytest.mark.parametrize("is_cut", [False, True])
@pytest.mark.parametrize(
    ("text", "told"),
    [
        (FAIL, "^here: the machine is too busy to be calibrated$"),
        ("kill -9 $$", "^here: the command .* without a result; it said last: .*(Killed|turns)"),
    ],
)
def test_why_there_is_no_result_is_said(
    text: str, told: str, is_cut: bool, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(server, monkeypatch, BEGIN + text)
    tell: Tell = cutting(server) if is_cut else lambda said: None
    with pytest.raises(ModelError, match=told):
        bench_remote.calibrated(HERE, 5.0, None, tell)
    assert left(server) == []


def test_an_interrupt_before_there_is_a_result_ends_the_command_there(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(server, monkeypatch, BEGIN.replace("sleep 0.6", "echo $$ > ../pid; exec sleep 60"))

    def tell(text: str) -> None:
        if text == "here: taking turns":
            time.sleep(0.5)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench_remote.calibrated(HERE, 60.0, None, tell)
    pid = (server.home / ".cache/edgelstm/pid").read_text().strip()
    assert not pathlib.Path(f"/proc/{pid}").exists() and left(server) == []
