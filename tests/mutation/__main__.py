"""Which changes of the code no test notices.

    python -m tests.mutation RESULTS.json [FILE ...]

Each of a file's mutants (at most 60, drawn by seed) runs against the fast tests of the file's
folder, those of the file first, up to the first that fails. It stands in a copy of the tree, in a
temporary folder. A second run goes on where the first was ended: it runs what is not in RESULTS,
and the survivors again where tests have changed.
"""

import concurrent.futures
import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any

from tests.mutation.mutants import Mutant, drawn, mutants
from tests.mutation.plugin import KERNELS

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("cost", "quantization", "verification")
MOST, SEED, WORKERS = 60, 1, os.cpu_count() or 1
KILLED, SURVIVED, TIMEOUT = "killed", "survived", "timeout"
IGNORED = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist")
Results = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Copy:
    """A tree of its own, beside kernels that all copies share."""

    folder: pathlib.Path
    kernels: pathlib.Path

    def test(self, file: str, timeout_s: float | None = None) -> tuple[str, str]:
        """How the fast tests of a file end, then those of its folder, and what they print."""
        tests = pathlib.Path("tests", pathlib.Path(file).parent.name)
        own, outcome = tests / f"test_{pathlib.Path(file).name}", (SURVIVED, "")
        for path in [own, tests] if (self.folder / own).exists() else [tests]:
            if outcome[0] == SURVIVED:
                outcome = self._test(path, timeout_s)
        return outcome

    def _test(self, tests: pathlib.Path, timeout_s: float | None) -> tuple[str, str]:
        options = ("-x", "-q", "--no-header", "-m", "not slow", "-p", "tests.mutation.plugin")
        with tempfile.TemporaryDirectory() as temporary:
            own_places = {"PYTHONPATH": str(self.folder), "TMPDIR": temporary}
            # Two mutants of one second and one size would be taken for each other.
            without_bytecode = {"PYTHONDONTWRITEBYTECODE": "1"} if timeout_s else {}
            with subprocess.Popen(
                [sys.executable, "-m", "pytest", *options, str(tests)],
                cwd=self.folder,
                env={**os.environ, KERNELS: str(self.kernels), **own_places, **without_bytecode},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            ) as child:
                try:
                    printed = child.communicate(timeout=timeout_s)[0]
                except subprocess.TimeoutExpired:
                    return TIMEOUT, ""
                finally:
                    with contextlib.suppress(ProcessLookupError):  # what it started may go on
                        os.killpg(child.pid, signal.SIGKILL)
        return (KILLED if child.returncode else SURVIVED), printed


def run(results: pathlib.Path, files: Sequence[str], most: int = MOST) -> Results:
    """Runs what is not in the results yet, which are kept after each mutant."""
    found: Results = json.loads(results.read_text("utf-8")) if results.exists() else {}
    tasks = [(file, mutant) for file in files for mutant in _open_mutants(found, file, most)]
    lock = threading.Lock()
    with tempfile.TemporaryDirectory(prefix="edgelstm-mutants-") as work:
        first = Copy(pathlib.Path(work, "tree0"), pathlib.Path(work, "kernels"))
        shutil.copytree(ROOT, first.folder, symlinks=True, ignore=IGNORED)
        timeouts = _timeouts(first, {file for file, _ in tasks})
        copies: queue.SimpleQueue[Copy] = queue.SimpleQueue()
        for k in range(1, WORKERS + 1):
            copies.put(Copy(first.folder.with_name(f"tree{k}"), first.kernels))
            shutil.copytree(first.folder, first.folder.with_name(f"tree{k}"), symlinks=True)

        def take(file: str, mutant: Mutant) -> None:
            copy, start = copies.get(), time.monotonic()
            (copy.folder / file).write_text(mutant.source, "utf-8")
            outcome, _ = copy.test(file, timeouts[pathlib.Path(file).parent])
            shutil.copy2(first.folder / file, copy.folder / file)
            copies.put(copy)
            with lock:
                found[file]["outcomes"][mutant.name] = outcome
                _keep(results, found)
            seconds = time.monotonic() - start
            print(f"{outcome:8} {seconds:4.0f} s  {file}:{mutant.name}", flush=True)

        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            try:
                for future in [pool.submit(take, *task) for task in tasks]:
                    future.result()
            finally:
                pool.shutdown(cancel_futures=True)  # where the run is ended
    return found


def _open_mutants(found: Results, file: str, most: int) -> Iterable[Mutant]:
    """Those without an outcome that still holds; drops outcomes that do not."""
    source = (ROOT / file).read_text("utf-8")
    tests = ROOT / "tests" / pathlib.Path(file).parent.name
    now = {"source": _digest([ROOT / file]), "tests": _digest(sorted(tests.glob("*.py")))}
    entry = found.get(file, {"outcomes": {}})
    outcomes = entry["outcomes"] if entry.get("source") == now["source"] else {}
    if entry.get("tests") != now["tests"]:
        outcomes = {name: outcome for name, outcome in outcomes.items() if outcome == KILLED}
    every = mutants(source)
    found[file] = {**now, "mutants": len(every), "outcomes": outcomes}
    return [m for m in drawn(every, most, f"{SEED} {file}") if m.name not in outcomes]


def _digest(paths: Iterable[pathlib.Path]) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:16]


def _timeouts(copy: Copy, files: Iterable[str]) -> dict[pathlib.Path, float]:
    """Seconds per folder, from a run without a mutant that also compiles the kernels."""
    timeouts = {}
    for folder, file in {pathlib.Path(file).parent: file for file in sorted(files)}.items():
        start = time.monotonic()
        outcome, printed = copy.test(file)
        if outcome != SURVIVED:
            sys.exit(f"the tests fail without a mutant:\n{printed}")
        timeouts[folder] = 30 + 3 * (time.monotonic() - start)
    return timeouts


def _keep(results: pathlib.Path, found: Results) -> None:
    """Whole or not at all: a run may be ended at any time."""
    new = results.with_name(f"{results.name}.new")
    new.write_text(json.dumps(found, indent=1), "utf-8")
    new.replace(results)


def told(found: Results, files: Iterable[str]) -> list[str]:
    """Per file how many died, and each that did not."""
    lines = []
    for file in files:
        outcomes = found[file]["outcomes"]
        left = [name for name, outcome in outcomes.items() if outcome == SURVIVED]
        lines.append(f"{file}: {len(outcomes) - len(left)} of {len(outcomes)} died")
        lines += [f"    {file}:{name}" for name in sorted(left, key=lambda n: int(n.split(":")[0]))]
    return lines


def main(words: Sequence[str]) -> None:
    if not words:
        sys.exit(__doc__)
    given = [str(pathlib.Path(word).resolve().relative_to(ROOT)) for word in words[1:]]
    modules = [path for name in FOLDERS for path in sorted((ROOT / "edgelstm" / name).glob("*.py"))]
    names = [str(path.relative_to(ROOT)) for path in modules if path.name != "__init__.py"]
    files = given or names
    print("\n".join(told(run(pathlib.Path(words[0]), files), files)))


if __name__ == "__main__":
    main(sys.argv[1:])
