"""edgelstm on a host: an environment, made once, of the files that are installed here."""

import base64
import csv
import hashlib
import importlib.metadata
import io
import os
import pathlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator

import edgelstm
from edgelstm.errors import ModelError
from edgelstm.installed import INSTALL_32
from edgelstm.tools import remote_offline
from edgelstm.tools.output import Tell
from edgelstm.tools.remote_host import Host, Probed, Python, chosen, probe

NAME = "edgelstm"
LEAST_DISK_KIB = 900 * 1024  # base and runtimes unpacked, with pip's own copies meanwhile
LEFT_OUT = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}
STAMP = (2020, 1, 1, 0, 0, 0)  # equal files make equal wheels
READY = "ready"


def installed(host: Host, tell: Tell) -> str:
    """The path of an interpreter on the host that has this version of edgelstm.

    Its folder is `~/.cache/edgelstm/VERSION-TAG`; the tag is that of every file that is installed.
    """
    name, content = wheel()
    tag = hashlib.sha256(content).hexdigest()[:12]
    home = host.run('printf %s "$HOME"').decode("utf-8", "replace")
    folder = f"{home}/.cache/edgelstm/{edgelstm.__version__}-{tag}"
    if " " in folder or "'" in folder:
        raise ModelError(f"{host.name}: its home folder is {home}; one without spaces is needed")
    python = f"{folder}/env/bin/python"
    if host.try_run(f"test -f {folder}/{READY} && test -x {python}").code == 0:
        return python
    found = probe(host)
    own = chosen(host, found.pythons)
    _check(host, found, own, name)
    tell(f"installing edgelstm on {host.name}, once")
    host.run(f"rm -rf {folder} && mkdir -p {folder}")
    host.put(content, f"{folder}/{name}")
    _make_environment(host, own, folder)
    if remote_offline.reaches_index(host, python):
        _install(host, python, f"{folder}/{name}")
    else:
        remote_offline.install(host, own, (python, f"{folder}/{name}", content), tell)
    host.run(f"touch {folder}/{READY}")
    return python


def _check(host: Host, found: Probed, python: Python, name: str) -> None:
    if python.bits != 64:
        raise ModelError(
            f"{host.name}: its {python.name} has {python.bits} bits, for which numba and onnx have "
            f"no wheels; on the host: {INSTALL_32} {name} "
            "(piwheels.org has wheels of 32 bits), then edgelstm bench there"
        )
    if found.disk_kib < LEAST_DISK_KIB:
        raise ModelError(
            f"{host.name} has {found.disk_kib // 1024:,} MiB free at home; "
            f"{LEAST_DISK_KIB // 1024:,} are needed: rm -r ~/.cache/edgelstm there, or more"
        )


def _make_environment(host: Host, python: Python, folder: str) -> None:
    """With pip; where the host's Python brings none, with that of this machine."""
    if python.has_pip:
        done = host.try_run(f"{python.path} -m venv {folder}/env")
        if done.code == 0:
            return
    host.run(f"rm -rf {folder}/env && {python.path} -m venv --without-pip {folder}/env")
    with tempfile.TemporaryDirectory() as here:
        words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", here, "pip"]
        downloaded = subprocess.run(words, capture_output=True)
        wheels = list(pathlib.Path(here).glob("pip-*.whl"))
        if downloaded.returncode or not wheels:
            raise ModelError(
                f"{host.name}: its {python.name} brings no pip, and none can be downloaded here; "
                "on the host: apt-get install python3-venv"
            )
        path = f"{folder}/{wheels[0].name}"
        host.put(wheels[0].read_bytes(), path)
    own = f"{folder}/env/bin/python"
    host.run(f"{own} {path}/pip install --quiet --no-index {path}")


def _install(host: Host, python: str, path: str) -> None:
    """With runtimes; everything but edgelstm comes from the host's index."""
    words = "--quiet --disable-pip-version-check --retries 1 --timeout 20"
    host.run(f"{python} -m pip install {words} '{path}[runtimes]'")


def wheel() -> tuple[str, bytes]:
    """Name and content of a wheel of the files that are installed here.

    A checkout is on no index, and behind `pip install` no wheel is left.
    """
    version = importlib.metadata.version(NAME)
    found = importlib.metadata.distribution(NAME)
    info = f"{NAME}-{version}.dist-info"
    files = dict(_package())
    files[f"{info}/METADATA"] = metadata().encode()
    files[f"{info}/entry_points.txt"] = (found.read_text("entry_points.txt") or "").encode()
    files[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: edgelstm\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    files[f"{info}/RECORD"] = _record(files, f"{info}/RECORD")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, STAMP), content, zipfile.ZIP_DEFLATED)
    return f"{NAME}-{version}-py3-none-any.whl", packed.getvalue()


def metadata() -> str:
    """What is installed here says of itself: name, version, dependencies."""
    found = importlib.metadata.distribution(NAME)
    # A checkout's own folder of it, which may stand first on the path, calls it PKG-INFO.
    return found.read_text("METADATA") or found.read_text("PKG-INFO") or ""


def _package() -> Iterator[tuple[str, bytes]]:
    """Every file below the package; links are followed, as in a checkout."""
    root = pathlib.Path(edgelstm.__file__).parent
    for place, folders, names in os.walk(root, followlinks=True):
        folders[:] = sorted(set(folders) - LEFT_OUT)
        for name in sorted(names):
            path = pathlib.Path(place, name)
            if path.suffix != ".pyc":
                yield f"{NAME}/{path.relative_to(root).as_posix()}", path.read_bytes()


def _record(files: dict[str, bytes], own: str) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        writer.writerow([name, f"sha256={digest}", len(content)])
    writer.writerow([own, "", ""])
    return text.getvalue().encode()
