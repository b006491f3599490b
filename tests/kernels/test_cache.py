"""Compiled kernels on disk: found again, never stale, and a folder in any state harms nobody."""

import hashlib
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgelstm.cells import CELLS
from edgelstm.kernels import cache
from edgelstm.kernels.simd.options import OPTIONS
from edgelstm.tools import doctor

# Two small kernels, so that compiling them takes no time; `run` says what came of them.
CODE = """
import ctypes, warnings
import numpy as np
from edgelstm.kernels import cache, ends
made = []
compiled_before = cache.bound
cache.bound = lambda *a: made.append(1) or compiled_before(*a)
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    at, _ = (ends.kernel(name).address for name in ("dequantize16", "copy"))
scale = ends.scale_array(0.5)
row, x, y = ends.row(3, 1, scale), np.array([11, -3, 7], np.int16), np.zeros(3, np.float32)
call = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 6)(at)
call(row.ctypes.data, x.ctypes.data, y.ctypes.data, 1, 0, 0)
told = "compiled" if made else "found"
print(y.astype(int).tolist(), told, len(seen), *(w.message for w in seen))
"""


def start(cache: Path | None, before: str = "") -> subprocess.Popen[str]:
    settings = {"PYTHONPATH": ".", "NUMBA_CACHE_DIR": str(cache or "")}
    return subprocess.Popen(
        [sys.executable, "-c", before + CODE],
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        text=True,
    )


def run(cache: Path | None, before: str = "") -> str:
    out, _ = start(cache, before).communicate()
    return out.strip()


def test_the_next_process_finds_what_was_compiled(tmp_path: Path) -> None:
    assert run(tmp_path) == "[5, -2, 3] compiled 0"
    assert run(tmp_path) == "[5, -2, 3] found 0"
    assert len(list((tmp_path / "edgelstm").iterdir())) == 2


@pytest.mark.parametrize("how", ["cut", "bit", "empty"])
def test_a_damaged_file_is_compiled_anew_with_one_warning(how: str, tmp_path: Path) -> None:
    run(tmp_path)
    for path in (tmp_path / "edgelstm").iterdir():
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 4
        damaged = {"cut": content[:900], "bit": content, "empty": bytearray()}
        path.write_bytes(damaged[how])
    got = run(tmp_path)
    assert got.startswith("[5, -2, 3] compiled 1 ") and "is damaged" in got
    assert run(tmp_path) == "[5, -2, 3] found 0"


def test_a_folder_that_cannot_be_written_costs_one_warning(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    got = run(blocked)
    assert got.startswith("[5, -2, 3] compiled 1 ") and "cannot be" in got


def test_processes_that_start_at_once_share_a_folder(tmp_path: Path) -> None:
    together = [start(tmp_path) for _ in range(3)]
    assert {p.communicate()[0].strip() for p in together} == {"[5, -2, 3] compiled 0"}
    assert run(tmp_path) == "[5, -2, 3] found 0"


def test_processes_that_meet_damaged_files_at_once_renew_them(tmp_path: Path) -> None:
    run(tmp_path)
    kernels = sorted((tmp_path / "edgelstm").iterdir())
    for path in kernels:
        path.write_bytes(path.read_bytes()[:-1])
    together = [start(tmp_path) for _ in range(2)]
    for process in together:
        got = process.communicate()[0].strip()
        assert got.startswith("[5, -2, 3] ") and process.returncode == 0
    assert run(tmp_path) == "[5, -2, 3] found 0"
    assert sorted((tmp_path / "edgelstm").iterdir()) == kernels


class Planted:
    """Makes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.marker,)


def plant(folder: Path, marker: Path) -> None:
    """Puts code with a right checksum in the place of each kernel."""
    content = pickle.dumps(Planted(marker))
    for path in folder.iterdir():
        path.write_bytes(hashlib.sha256(content).digest() + content)


def link(path: Path) -> Path:
    """Moves what is there, and leaves a link to it."""
    moved = path.rename(path.with_name(f"{path.name}-elsewhere"))
    path.symlink_to(moved)
    return moved


OPENED: dict[str, Any] = {  # ways in which others can put code into a folder, or into a file
    "folder others write": lambda folder: folder.chmod(0o702),
    "folder a group writes": lambda folder: folder.chmod(0o720),
    "folder behind a link": link,
    "files others write": lambda folder: [path.chmod(0o602) for path in folder.iterdir()],
    "files a group writes": lambda folder: [path.chmod(0o620) for path in folder.iterdir()],
    "files behind links": lambda folder: list(map(link, list(folder.iterdir()))),
    "another user's": lambda folder: None,
}


@pytest.mark.skipif(os.name == "nt", reason="Windows: a profile is closed to other users")
@pytest.mark.parametrize("how", OPENED)
def test_code_that_others_could_have_planted_does_not_run(how: str, tmp_path: Path) -> None:
    run(tmp_path)
    plant(tmp_path / "edgelstm", tmp_path / "marker")
    OPENED[how](tmp_path / "edgelstm")
    became = f"import os; os.geteuid = lambda: {os.geteuid() + 1}" if how[0] == "a" else ""
    got = run(tmp_path, became)
    assert got.startswith("[5, -2, 3] compiled 1 kernels cannot be kept in ")
    assert not (tmp_path / "marker").exists()


def test_what_is_planted_would_run_in_the_users_own_folder(tmp_path: Path) -> None:
    run(tmp_path)
    plant(tmp_path / "edgelstm", tmp_path / "marker")
    run(tmp_path)
    assert (tmp_path / "marker").exists()  # so that the test above can fail


def test_folder_and_files_are_the_users_alone(tmp_path: Path) -> None:
    run(tmp_path, "import os; os.umask(0)")
    folder = tmp_path / "edgelstm"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


NAMELESS = """
import os, pwd
for name in ("HOME", "XDG_CACHE_HOME"):
    os.environ.pop(name, None)
def nobody(uid):
    raise KeyError(uid)
pwd.getpwuid = nobody
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows: users have names")
def test_a_user_without_name_and_home_costs_one_warning() -> None:
    got = run(None, NAMELESS)
    assert got.startswith("[5, -2, 3] compiled 1 ") and "the user has no home folder" in got


@pytest.mark.skipif(os.name == "nt", reason="Windows: a profile is closed to other users")
def test_doctor_says_why_kernels_are_not_kept(tmp_path: Path) -> None:
    (tmp_path / "edgelstm").mkdir(mode=0o700)
    (tmp_path / "edgelstm").chmod(0o770)
    done = subprocess.run(
        [sys.executable, "-m", "edgelstm", "doctor", "--json"],
        env={**os.environ, "PYTHONPATH": ".", "NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    kernels = json.loads(done.stdout)["kernels"]
    assert "others can write to it" in kernels["cache_obstacle"]
    assert kernels["cache"] == str(tmp_path / "edgelstm")


# Kernels of both cells take the same types: what one process compiles first, and the other too,
# has the same names in both files but for what edgelstm adds.
CELL = """
import sys
import numpy as np
from edgelstm.execution.session import run
from edgelstm.model.forward import forward
from edgelstm.kernels import cache
from edgelstm.kernels.simd.options import OPTIONS
from tests.networks import random_input, random_network
made = []
compiled_before = cache.bound
cache.bound = lambda *a: made.append(1) or compiled_before(*a)
for name in sys.argv[1:]:
    network = random_network(name, (5, 20))
    x = random_input(network, 1, 9)
    print(name, bool(np.abs(run(network, x) - forward(network, x)).max() < 1e-6))
print("compiled" if made else "found")
"""


@pytest.mark.slow
def test_kernels_that_two_processes_compiled_stay_apart_in_a_third(tmp_path: Path) -> None:
    def cells(*names: str) -> str:
        settings = {"PYTHONPATH": ".", "NUMBA_CACHE_DIR": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-c", CELL, *names],
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            check=True,
        )
        return " ".join(done.stdout.split())

    assert cells("rnn") == "rnn True compiled"
    assert cells("gru") == "gru True compiled"
    assert cells("rnn", "gru") == "rnn True gru True found"


def test_a_kernels_code_is_named_after_its_file(tmp_path: Path) -> None:
    from edgelstm.execution.fused import packed_layer
    from edgelstm.kernels.bind import kernel
    from tests.networks import random_network

    packed = packed_layer(random_network("rnn", (3, 4)).layers[0].parts[0])
    written: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
        patch.setattr("edgelstm.kernels.bind._kernels", {})
        patch.setattr(cache, "_write", lambda *given: written.extend(given))
        assert kernel(packed.cell, packed.form, "sequence").function
    name, made = written
    functions = made.library._final_module.functions
    found = [f.name for f in functions if not f.is_declaration]
    mark = Path(name).stem.removeprefix("sequence_")
    assert [f for f in found if mark not in f and not f.startswith("NRT_")] == []
    assert len(found) >= 3  # the kernel and its two wrappers


def test_an_edit_of_any_source_is_another_kernel(tmp_path: Path) -> None:
    equations = tmp_path / "cell.py"
    equations.write_text("a")
    before = cache.digest((str(equations),), "facts")
    assert cache.digest((str(equations),), "facts") == before
    assert cache.digest((str(equations),), "other facts") != before
    equations.write_text("b")
    assert cache.digest((str(equations),), "facts") != before


def test_another_option_or_target_is_another_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    before = cache.digest((), "")
    monkeypatch.setitem(OPTIONS, "fastmath", True)
    changed = cache.digest((), "")
    monkeypatch.setattr(cache, "FEATURES", frozenset({"sse2"}))
    assert len({before, changed, cache.digest((), "")}) == 3


def test_doctor_knows_kernels_of_every_cell() -> None:
    names = {kernel.name for kernel in doctor._every_kernel()}
    for begins in (*(f"step_{c}_float32" for c in CELLS), "step_lstm_int8", "step_gru_composed"):
        assert any(name.startswith(begins) for name in names)


# Of one cell in real numbers, beside what every network needs: all of them take minutes.
WARM = """
import sys
from edgelstm.model.precision import FLOAT32
from edgelstm.tools import cli, doctor
doctor.CELLS, doctor.PRECISIONS = ["rnn"], {"float32": FLOAT32}
sys.argv[1:] = ["doctor", "--warm", "--json"]
cli.main()
"""


@pytest.mark.slow
def test_doctor_compiles_ahead_and_says_where(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WARM],
        env={**os.environ, "PYTHONPATH": ".", "NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    kernels = json.loads(done.stdout)["kernels"]
    files = list((tmp_path / "edgelstm").glob("*.kernel"))
    assert kernels["cache"] == str(tmp_path / "edgelstm")
    assert kernels["cache_files"] == len(files)
    assert sum("_rnn_" in path.name for path in files) >= 3  # a sequence, steps, a batch
    assert kernels["cache_bytes"] == sum(p.stat().st_size for p in files)
    assert "lanes" in kernels["instruction_set"]
