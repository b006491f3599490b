"""An ssh server of one's own on 127.0.0.1, with keys of its own, for tests of `bench --remote`."""

import contextlib
import dataclasses
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

SSHD = "/usr/sbin/sshd"
SSH = shutil.which("ssh")  # before a test puts its own on the PATH
NEEDED = "apt-get install openssh-server openssh-client"
HERE = "here"  # as ssh calls the host


@dataclasses.dataclass(frozen=True)
class Server:
    """What is running.

    Attributes:
        folder: With its keys and configuration; `home` in it is the home of who logs in.
        port: Of 127.0.0.1.
        process: Its own.
    """

    folder: pathlib.Path
    port: int
    process: "subprocess.Popen[bytes]"

    @property
    def home(self) -> pathlib.Path:
        """Of who logs in."""
        return self.folder / "home"

    @property
    def programs(self) -> pathlib.Path:
        """The first folder on the connection's PATH."""
        return self.folder / "programs"


def check_installed() -> None:
    """Skips where there is no server."""
    if not pathlib.Path(SSHD).is_file() or SSH is None or os.getuid():
        pytest.skip(f"{NEEDED}, as root", allow_module_level=True)


def free_port() -> int:
    """One that nobody listens to."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextlib.contextmanager
def serving(folder: pathlib.Path) -> Iterator[Server]:
    """A server that lets in the key of this folder, and runs what it is told at a home in it."""
    for name in ("home", "programs"):
        (folder / name).mkdir()
    for name in ("host_key", "user_key", "other_key"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(words, check=True)
    shutil.copy(folder / "user_key.pub", folder / "authorized")
    pathlib.Path("/run/sshd").mkdir(exist_ok=True)
    port, python = free_port(), pathlib.Path(sys.base_prefix) / "bin"
    given = {k: v for k, v in os.environ.items() if k.startswith(("PIP_", "SSL_", "REQUESTS_"))}
    given |= {k: v for k, v in os.environ.items() if k.lower().endswith("_proxy")}
    given |= {"HOME": str(folder / "home")}
    given["PATH"] = f"{folder / 'programs'}:{python}:/usr/bin:/bin"
    settings = (
        *(f"Port {port}", "ListenAddress 127.0.0.1", f"HostKey {folder / 'host_key'}"),
        *(f"AuthorizedKeysFile {folder / 'authorized'}", f"PidFile {folder / 'pid'}"),
        *("StrictModes no", "UsePAM no", "PermitRootLogin yes", "PasswordAuthentication no"),
        "SetEnv " + " ".join(f'"{k}={v}"' for k, v in given.items()),
    )
    config = folder / "sshd_config"
    config.write_text("\n".join(settings) + "\n")
    words = [SSHD, "-D", "-E", str(folder / "log"), "-f", str(config)]
    process = subprocess.Popen(words)
    try:
        for _ in range(100):
            with socket.socket() as found:
                if found.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield Server(folder, port, process)
    finally:
        process.terminate()
        process.wait()


def cut(server: Server) -> None:
    """Ends the processes of every connection; the server goes on."""
    for place in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            number, _, rest = place.read_text().partition(" (")
        except OSError:
            continue
        if int(rest.rpartition(")")[2].split()[1]) == server.process.pid:
            os.kill(int(number), signal.SIGKILL)


def write_client(server: Server, place: pathlib.Path, **changed: object) -> pathlib.Path:
    """A folder for the PATH with an `ssh` that knows the server as `here`; its configuration."""
    place.mkdir(exist_ok=True)
    known = place / "known_hosts"
    key = (server.folder / "host_key.pub").read_text("utf-8")
    known.write_text(f"[127.0.0.1]:{server.port} {key}")
    options = {
        "HostName": "127.0.0.1",
        "Port": server.port,
        "User": "root",
        "IdentityFile": server.folder / "user_key",
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": known,
        "GlobalKnownHostsFile": "/dev/null",
        **changed,
    }
    config = place / "config"
    lines = [f"  {name} {value}" for name, value in options.items()]
    config.write_text("\n".join([f"Host {HERE}", *lines]) + "\n")
    program = place / "ssh"
    program.write_text(f'#!/bin/sh\nexec {SSH} -F {config} "$@"\n')
    program.chmod(0o755)
    return known
