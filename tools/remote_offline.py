"""Packages for a host that reaches no package index: resolved by uv and downloaded here, copied.

uv evaluates markers for the host, where `pip download --platform` takes those of this machine: it
would ask for x86 packages on behalf of an aarch64 host.
"""

import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Sequence

from edgelstm.errors import ModelError
from edgelstm.installed import install_line, is_installed
from edgelstm.tools.output import Tell
from edgelstm.tools.remote_host import Host, Python

LEAST_GLIBC = 28  # 2.28: numba has no wheels for an older one
TAGS = range(LEAST_GLIBC, 16, -1)  # of wheels that run there: manylinux_2_28 down to 2_17
MACHINES = ("aarch64", "x86_64")
# One small package without dependencies: does what pip is set up for there answer?
REACHES = "--quiet --dry-run --ignore-installed --no-deps --retries 0 --timeout 10 typer"


def reaches_index(host: Host, python: str) -> bool:
    """Whether pip of that interpreter finds packages."""
    return host.try_run(f"{python} -m pip install {REACHES}").code == 0


def install(host: Host, python: Python, place: tuple[str, str, bytes], tell: Tell) -> None:
    """Installs a wheel with its runtimes and all that they need, without an index.

    Args:
        host: Where.
        python: The interpreter of the host that its environment was made of.
        place: The interpreter of the environment, the path of the wheel there, and its content.
        tell: What is going on.
    """
    own, path, content = place
    tell(f"{host.name} reaches no package index: packages are downloaded here and copied")
    folder = f"{pathlib.PurePosixPath(path).parent}/wheels"
    host.run(f"mkdir -p {folder}")
    with tempfile.TemporaryDirectory() as here:
        wheel = pathlib.Path(here, pathlib.PurePosixPath(path).name)
        wheel.write_bytes(content)
        listed = resolved(host.name, f"edgelstm[runtimes] @ {wheel.as_uri()}", python)
        others = [line for line in listed if not line.startswith("edgelstm")]
        for found in downloaded(host.name, others, python, pathlib.Path(here, "wheels")):
            host.put(found.read_bytes(), f"{folder}/{found.name}")
    words = f"--quiet --disable-pip-version-check --no-index --find-links {folder}"
    host.run(f"{own} -m pip install {words} '{path}[runtimes]' && rm -r {folder}")


def check(name: str, python: Python) -> None:
    """`ModelError` unless wheels for such a host can be found here."""
    if not is_installed("uv"):
        raise ModelError(
            f"{name} reaches no package index, and uv, which resolves packages for it, is not "
            f"installed here: {install_line('uv')}"
        )
    if python.machine not in MACHINES or python.glibc < (2, LEAST_GLIBC):
        raise ModelError(
            f"{name} reaches no package index, and has {python.machine} with glibc "
            f"{'.'.join(map(str, python.glibc))}; wheels are found here for "
            f"{' and '.join(MACHINES)} with glibc 2.{LEAST_GLIBC} or later"
        )


def resolved(name: str, requirement: str, python: Python) -> list[str]:
    """Every package, `name==version`, that a requirement needs on that host, as wheels alone."""
    check(name, python)
    words = [
        *(sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header"),
        *("--no-annotate", "--only-binary", ":all:"),
        *("--python-platform", f"{python.machine}-manylinux_2_{LEAST_GLIBC}"),
        *("--python-version", "{}.{}".format(*python.version), "-"),
    ]
    done = subprocess.run(words, input=requirement, capture_output=True, text=True)
    if done.returncode:
        raise ModelError(f"{name}: its packages cannot be resolved here: {_last(done.stderr)}")
    return [line for line in done.stdout.splitlines() if line.strip()]


def downloaded(
    name: str, requirements: Sequence[str], python: Python, folder: pathlib.Path
) -> list[pathlib.Path]:
    """Wheels of packages, for that host."""
    platforms = [f"--platform=manylinux_2_{minor}_{python.machine}" for minor in TAGS]
    words = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *platforms),
        *("--only-binary=:all:", "--python-version", "{}.{}".format(*python.version)),
        *("--disable-pip-version-check", "-d", str(folder), *requirements),
    ]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise ModelError(f"{name}: its packages cannot be downloaded here: {_last(done.stderr)}")
    return sorted(folder.glob("*.whl"))


def _last(text: str) -> str:
    """What a program said at its end."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason is given"
