"""`bench --remote` against an ssh server on 127.0.0.1; installed for real once, for all tests."""

import importlib.metadata
import json
import os
import pathlib
import time
from collections.abc import Iterator

import pytest

import edgelstm
from edgelstm import installed
from edgelstm.errors import ModelError
from edgelstm.measurement.results import Run
from edgelstm.tools import remote, remote_host, remote_install, remote_offline
from edgelstm.tools.remote_host import Host, Python
from tests.networks import random_network
from tests.tools import sshd
from tests.tools.sshd import HERE, Server
from tests.tools.test_cli import Captured, run

sshd.check_installed()
pytestmark = pytest.mark.slow
QUICK = ("--engines", "onnxruntime", "--precision", "float32", "--seconds", "1")
LONG = remote.Job([*QUICK[:-1], "20"])


INSTALLING: list[str] = []  # what was said meanwhile


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with sshd.serving(tmp_path_factory.mktemp("sshd")) as found:
        client = found.folder / "client"
        sshd.write_client(found, client)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PATH", f"{client}:{os.environ['PATH']}")
            with remote_host.connected(HERE) as host:
                remote_install.installed(host, INSTALLING.append)
        yield found


@pytest.fixture
def client(server: Server, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """What it knows of hosts; the server is `here`."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'client'}:{os.environ['PATH']}")
    for program in server.programs.iterdir():
        program.unlink()
    return sshd.write_client(server, tmp_path / "client")


@pytest.fixture
def host(client: pathlib.Path) -> Iterator[Host]:
    with remote_host.connected(HERE) as found:
        yield found


def play(server: Server, name: str, text: str) -> None:
    """A small program first on the connection's PATH."""
    program = server.programs / name
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)


def left(server: Server) -> set[pathlib.Path]:
    """Folders of runs."""
    return set((server.home / ".cache/edgelstm").glob("run-*"))


def test_a_run_there_is_one_of_here(
    server: Server, client: pathlib.Path, tmp_path: pathlib.Path, capsys: Captured
) -> None:
    before = left(server)
    assert INSTALLING == ["installing edgelstm on here, once"]
    words = ("bench", "--remote", HERE, *QUICK, "--json")
    assert run(*words) == 0
    got = capsys.readouterr()
    assert "installing" not in got.err and "here: taking turns" in got.err
    found = json.loads(got.out)
    assert found["model"] == "japanese_vowels" and "--remote here" in found["command"]
    assert {(row["engine"], row["mode"]) for row in found["results"]} == {
        ("onnxruntime", "step"),
        ("onnxruntime", "sequence"),
    }
    network = random_network("lstm", (3, 4), outputs=2, last_step=True)
    model = edgelstm.write(network, tmp_path / "own.npz")
    page = tmp_path / "page.html"
    assert run(*words[:1], model, *words[1:], "--html", page) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["model"] == "own" and len(found["model_sha256"]) == 64
    assert "own" in page.read_text("utf-8")
    assert left(server) == before


def test_a_second_installation_takes_no_time(server: Server, host: Host) -> None:
    start = time.monotonic()
    python = remote_install.installed(host, pytest.fail)
    assert time.monotonic() - start < 5
    assert python.startswith(str(server.home))


def test_what_the_host_refuses_is_one_line(client: pathlib.Path, capsys: Captured) -> None:
    assert run("bench", "--remote", HERE, "--engines", "x") == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: here: engine 'x' is unknown; known: numba")


def test_a_link_that_is_cut_loses_nothing(server: Server, client: pathlib.Path) -> None:
    said: list[str] = []

    def tell(text: str) -> None:
        said.append(text)
        if text.startswith("here: taking turns"):
            sshd.cut(server)

    found = remote.measured(HERE, remote.Job([*QUICK[:-1], "4"]), tell)
    assert said[-1] == "the link to here was cut; trying again"
    assert not found.interrupted and len(found.results) == 2


def test_a_host_that_stays_away_keeps_what_it_measures(
    server: Server, client: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "AGAIN_S", 0.0)
    config = client.with_name("config")

    def tell(text: str) -> None:
        if text.startswith("here: taking turns"):
            closed = config.read_text().replace(str(server.port), str(sshd.free_port()))
            config.write_text(closed)
            sshd.cut(server)

    with pytest.raises(ModelError, match="Connection refused.* will lie in .*/out.json") as error:
        remote.measured(HERE, remote.Job([*QUICK[:-1], "2"]), tell)
    folder = pathlib.Path(str(error.value).partition("will lie in ")[2].partition("/out")[0])
    pid = int((folder / "pid").read_text())
    for _ in range(200):
        if not pathlib.Path(f"/proc/{pid}").exists():
            break
        time.sleep(0.1)
    assert len(json.loads((folder / "out.json").read_text())["results"]) == 2


def interrupted(job: remote.Job) -> Run:
    def tell(text: str) -> None:
        if text.startswith("here: taking turns"):
            time.sleep(1.0)
            raise KeyboardInterrupt

    return remote.measured(HERE, job, tell)


def test_an_interrupt_brings_what_was_measured(client: pathlib.Path) -> None:
    start = time.monotonic()
    found = interrupted(LONG)
    assert time.monotonic() - start < 18
    assert found.interrupted and found.results[0].timing.rounds >= 1


OLD = 'echo "python=/usr/bin/$(basename "$0") 3.9 64 1 aarch64 2.31"'
PYTHONS = ("python3.14", "python3.13", "python3.12", "python3.11", "python3", "python")


def test_an_old_python_is_said(server: Server, host: Host) -> None:
    for name in PYTHONS:
        play(server, name, OLD)
    with pytest.raises(ModelError, match="here has Python 3.9; Python 3.11 or later is needed"):
        remote_host.chosen(host, remote_host.probe(host).pythons)


@pytest.mark.parametrize(
    ("program", "text", "told"),
    [
        ("df", "echo '/dev/sda 9 9 1024 1% /'", "here has 1 MiB free at home; 900 are needed"),
        (
            "python3.14",
            'echo "python=/usr/bin/p 3.14 32 1 armv7l 2.36"',
            "has 32 bits, for which numba",
        ),
    ],
)
def test_what_does_not_suffice_is_said_before_anything_is_written(
    server: Server, host: Host, program: str, text: str, told: str
) -> None:
    play(server, program, text)
    remote_install.READY, ready = "absent", remote_install.READY
    try:
        with pytest.raises(ModelError, match=told):
            remote_install.installed(host, pytest.fail)
    finally:
        remote_install.READY = ready


def test_a_disk_that_gets_full_is_said(server: Server, host: Host) -> None:
    play(server, "cat", "echo 'cat: write error: No space left on device' >&2; exit 1")
    with pytest.raises(ModelError, match="^here: its disk is full$"):
        host.put(b"x", "/tmp/edgelstm-absent")


def test_without_ensurepip_pip_is_that_of_this_machine(server: Server, host: Host) -> None:
    (python, *_) = remote_host.probe(host).pythons
    folder = f"{server.home}/bare"
    host.run(f"mkdir -p {folder}")
    bare = Python(python.path, python.version, python.bits, has_pip=False)
    remote_install._make_environment(host, bare, folder)
    assert host.run(f"{folder}/env/bin/python -m pip --version").startswith(b"pip ")


# Nothing answers at the address of the index; what else this machine is set up with is off.
NO_INDEX = "[global]\nindex-url = http://127.0.0.1:1/simple\nextra-index-url =\nfind-links =\n"

SMALL = f"""Metadata-Version: 2.1
Name: edgelstm
Version: {importlib.metadata.version("edgelstm")}
Provides-Extra: runtimes
Requires-Dist: markupsafe; extra == "runtimes"
"""


def test_without_an_index_packages_are_brought_from_here(
    server: Server, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not installed.is_installed("uv"):
        pytest.skip(installed.install_line("uv"))
    (python, *_) = remote_host.probe(host).pythons
    folder, said = f"{server.home}/away", list[str]()
    host.run(f"mkdir -p {folder} ~/.config/pip")
    remote_install._make_environment(host, python, folder)
    host.put(NO_INDEX.encode(), f"{server.home}/.config/pip/pip.conf")
    own = f"{folder}/env/bin/python"
    try:
        assert not remote_offline.reaches_index(host, own)
        # A small wheel in place of edgelstm's, whose dependencies are 150 MB.
        monkeypatch.setattr(remote_install, "_package", lambda: [("edgelstm/__init__.py", b"")])
        monkeypatch.setattr(remote_install, "metadata", lambda: SMALL)
        name, content = remote_install.wheel()
        host.put(content, f"{folder}/{name}")
        remote_offline.install(host, python, (own, f"{folder}/{name}", content), said.append)
    finally:
        host.run("rm ~/.config/pip/pip.conf")
    assert said == ["here reaches no package index: packages are downloaded here and copied"]
    host.run(f"{own} -c 'import edgelstm, markupsafe' && test ! -e {folder}/wheels")
    assert remote_offline.reaches_index(host, own)


CANNOT = {
    "a refused key": ("IdentityFile", "Permission denied; put your key there"),
    "a closed port": ("Port", "Connection refused; is an ssh server running"),
    "an unknown host": ("HostName", "Could not resolve hostname; is the name"),
    "an unknown key": ("UserKnownHostsFile", "Host key verification failed; log in"),
}


@pytest.mark.parametrize("name", CANNOT)
def test_a_host_that_cannot_be_reached_is_one_line(
    name: str, server: Server, client: pathlib.Path, capsys: Captured
) -> None:
    option, told = CANNOT[name]
    values = {
        "IdentityFile": server.folder / "other_key",
        "Port": sshd.free_port(),
        "HostName": "absent.invalid",
        "UserKnownHostsFile": "/dev/null",
    }
    options = {option: values[option]}
    sshd.write_client(server, client.parent, **options)
    assert run("bench", "--remote", HERE) == 2
    got = capsys.readouterr()
    assert got.out == "" and told in got.err.splitlines()[-1]


def test_a_changed_host_key_is_said(server: Server, client: pathlib.Path, capsys: Captured) -> None:
    other = (server.folder / "other_key.pub").read_text("utf-8")
    client.write_text(f"[127.0.0.1]:{server.port} {other}")
    assert run("bench", "--remote", HERE) == 2
    told = "HOST IDENTIFICATION HAS CHANGED; if that is known to be right: ssh-keygen -R here"
    assert told in capsys.readouterr().err.splitlines()[-1]
