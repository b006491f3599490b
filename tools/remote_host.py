"""A host at the other end of ssh: one shared connection, commands, files, and what goes wrong."""

import contextlib
import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from typing import IO

from edgelstm.errors import ModelError

SSH_FAILED = 255  # ssh's own exit code; every other one is the command's
CONNECT_S = 10
LEAST_PYTHON = (3, 11)
OPTIONS = (
    *("-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_S}"),
    *("-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3"),
)
# What ssh's last words say, and the way out.
WAYS_OUT = {
    "REMOTE HOST IDENTIFICATION HAS CHANGED": "if that is known to be right: ssh-keygen -R {host}",
    "Host key verification failed": "log in once, and compare its key: ssh {host}",
    "Permission denied": "put your key there: ssh-copy-id {host}",
    "Connection refused": "is an ssh server running there, at that port?",
    "Could not resolve hostname": "is the name right? An address works as well",
    "timed out": "is it on, and in this network?",
    "No route to host": "is it on, and in this network?",
}
PROBE = """
echo "disk_kib=$(df -Pk "$HOME" | tail -1 | tr -s ' ' | cut -d' ' -f4)"
for p in python3.14 python3.13 python3.12 python3.11 python3 python; do
  command -v $p > /dev/null || continue
  $p -c 'import importlib.util, platform, struct, sys
print("python=%s %d.%d %d %d %s %s" % (sys.executable, sys.version_info[0], sys.version_info[1],
struct.calcsize("P") * 8, importlib.util.find_spec("ensurepip") is not None,
platform.machine() or "-", platform.libc_ver()[1] or "0.0"))' 2> /dev/null
done
"""


@dataclasses.dataclass(frozen=True)
class Python:
    """An interpreter of the host; `machine` and `glibc` as its `platform` says them."""

    path: str
    version: tuple[int, int]
    bits: int
    has_pip: bool
    machine: str = "-"
    glibc: tuple[int, int] = (0, 0)

    @property
    def name(self) -> str:
        """Such as `Python 3.11`."""
        return "Python {}.{}".format(*self.version)


@dataclasses.dataclass(frozen=True)
class Probed:
    """What a host has: free kibibytes at home, and interpreters, best first."""

    disk_kib: int
    pythons: tuple[Python, ...]


@dataclasses.dataclass(frozen=True)
class Done:
    """How a program ended: its exit code, what it printed, and what it said beside that."""

    code: int
    out: bytes
    said: bytes


def _done(words: Sequence[str], given: bytes = b"") -> Done:
    pipe = subprocess.PIPE
    with subprocess.Popen(words, -1, None, pipe, pipe, pipe) as process:
        out, said = process.communicate(given)
    return Done(process.returncode, out, said)


@dataclasses.dataclass(frozen=True)
class Host:
    """Where commands run.

    Attributes:
        name: As ssh takes it: `user@host`, or a name of the user's configuration.
        words: That begin each call of ssh.
    """

    name: str
    words: tuple[str, ...]

    def start(self, script: str, out: IO[bytes], said: int) -> "subprocess.Popen[bytes]":
        """A POSIX shell script on the host, with its two outputs in a file and in a pipe's end."""
        words = [*self.words, self.name, script]
        return subprocess.Popen(words, 0, None, subprocess.DEVNULL, out, said)

    def try_run(self, script: str, given: bytes = b"") -> "Done":
        """The same, to its end, whatever that is."""
        return _done([*self.words, self.name, script], given)

    def run(self, script: str, given: bytes = b"") -> bytes:
        """What a script prints; `ModelError` where the link or the script fails."""
        done = self.try_run(script, given)
        if done.code:
            raise ModelError(self.told(done))
        return done.out

    def put(self, content: bytes, path: str) -> None:
        """Writes a file; folders must be there."""
        self.run(f"cat > {path}", content)

    def told(self, done: "Done") -> str:
        """Why something failed, in one line, with the way out where one is known."""
        code, text = done.code, done.said.decode("utf-8", "replace")
        lines = [line.strip() for line in text.splitlines() if line.strip(" @\r")]
        last = lines[-1] if lines else f"exit code {code}"
        if code != SSH_FAILED:
            full = "No space left" in text
            return f"{self.name}: {'its disk is full' if full else last}"
        for words, way in WAYS_OUT.items():
            if words in text:
                return f"{self.name}: {words}; {way.format(host=self.name)}"
        return f"{self.name}: ssh says: {last}"


@contextlib.contextmanager
def connected(name: str) -> Iterator[Host]:
    """One connection for everything, which ends with the context."""
    if os.name != "posix" or shutil.which("ssh") is None:
        raise ModelError("--remote needs ssh: apt-get install openssh-client")
    if not re.fullmatch(r"[\w.@:%\[][\w.@:%\[\]-]*", name):
        raise ModelError(f"--remote is {name!r:.60}; user@host, or what ssh knows, is needed")
    # Short: a path of a socket has at most 107 characters, of which %C takes 40.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="es-", dir="/tmp"))
    shared = ("-o", "ControlMaster=auto", "-o", f"ControlPath={folder}/%C")
    host = Host(name, ("ssh", *OPTIONS, *shared, "-o", "ControlPersist=60"))
    try:
        host.run("true")
        yield host
    finally:
        subprocess.run([*host.words, "-O", "exit", name], capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def probe(host: Host) -> Probed:
    """What it has; `ModelError` where nothing there will do."""
    lines = host.run(PROBE).decode("utf-8", "replace").splitlines()
    disk, pythons = 0, []
    for line in lines:
        key, _, value = line.partition("=")
        if key == "disk_kib" and value.isdigit():
            disk = int(value)
        elif key == "python":
            path, version, bits, has_pip, machine, glibc = value.rsplit(" ", 5)
            numbers = _numbers(version), int(bits)
            pythons.append(Python(path, *numbers, has_pip == "1", machine, _numbers(glibc)))
    return Probed(disk, tuple(pythons))


def _numbers(version: str) -> tuple[int, int]:
    major, minor, *_ = map(int, version.split("."))
    return major, minor


def chosen(host: Host, found: Sequence[Python]) -> Python:
    """The interpreter to take: one that is new enough."""
    good = [python for python in found if python.version >= LEAST_PYTHON]
    if not good:
        has = ", ".join(dict.fromkeys(python.name for python in found)) or "no Python"
        raise ModelError(
            f"{host.name} has {has}; Python 3.11 or later is needed there: "
            "apt-get install python3 python3-venv, on Raspberry Pi OS 12 or later"
        )
    return good[0]
