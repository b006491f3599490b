"""What `bench_instructions --peers` counts: whole networks in ours and in the peers, as `bench`
calls them.

`write_files` makes files, input and a list of them; `python -m benchmarks.counted_peers FOLDER
OUT` calls each, on this machine or an emulated one, signals itself before and behind each call, and
leaves what the counted ones gave in OUT, an `.npz`.
"""

import dataclasses
import functools
import gc
import json
import os
import pathlib
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from benchmarks.counted import MARK
from benchmarks.networks import Array, Case, bundled, random_case
from edgelstm.bundled import demo_data
from edgelstm.formats import facts, write
from edgelstm.measurement.engines import ENGINES
from edgelstm.runtimes.child import prepare
from edgelstm.runtimes.runtime import Calling

# Runtimes settle, and Python specializes its bytecode, within so many calls.
N_WARM, N_CALLS = 20, 9
STEPS = 29  # of a sequence
BUNDLED = "bundled"


def _recorded() -> Case:
    """The bundled network, and a recording as long as a sequence: none of its steps is padding."""
    data, given = demo_data(), bundled()
    longest = data.test_inputs[int(np.argmax(data.test_lengths))]
    return dataclasses.replace(given, x=longest)


NETWORKS: dict[str, Callable[[], Case]] = {
    BUNDLED: _recorded,
    **{
        f"{i} -> {h}": functools.partial(random_case, "", "lstm", (i, h), None)
        for i, h in ((40, 64), (128, 256))
    },
}
NAMES = {"numba": "edgelstm", "onnxruntime": "ONNX Runtime", "litert": "LiteRT"}
PRECISIONS = {"numba": 3, "onnxruntime": 2, "litert": 3}  # of float32, hybrid and int8
STEP, SEQUENCE, ALONE, PLAIN = "step", "sequence", "one step", "plain"
FORMS = (SEQUENCE, ALONE, STEP)  # ALONE: a sequence of one step, nearly all of it the call
JOBS = "jobs.json"
# Sums of floats in another order; int8 products that saturate on processors without VNNI.
MOST_APART = {"float32": 1e-5, "hybrid": 2e-2}


@dataclasses.dataclass(frozen=True)
class Job:
    """A file that an engine calls in one form.

    Attributes:
        network: Key of `NETWORKS`.
        engine: Key of `NAMES`, and of `ENGINES`.
        precision: Of the weights.
        form: One of `FORMS`; `PLAIN`: a sequence, by what the package documents first.
        path: Of the file; beside it lies its input, an `.npz`.
    """

    network: str
    engine: str
    precision: str
    form: str
    path: str

    @property
    def steps(self) -> int:
        """Of a call."""
        return STEPS if self.form in (SEQUENCE, PLAIN) else 1


def write_files(folder: pathlib.Path, networks: Iterable[str], engines: Iterable[str]) -> list[Job]:
    """Files, inputs and the list of jobs."""
    jobs = [
        job
        for network in networks
        for engine in engines
        for job in _written(folder, network, NETWORKS[network](), engine)
    ]
    (folder / JOBS).write_text(json.dumps([dataclasses.asdict(job) for job in jobs]), "utf-8")
    return jobs


def _written(folder: pathlib.Path, title: str, case: Case, engine: str) -> Iterator[Job]:
    suffix = ENGINES[engine].suffix
    plain = (PLAIN,) if title == BUNDLED and engine in PLAINLY else ()
    for precision in list(case.networks)[: PRECISIONS[engine]]:
        for form in (*FORMS, *plain):
            name = f"{title}_{precision}_{form}_{engine}".replace(" ", "").replace("->", "_")
            job = Job(title, engine, precision, form, str(folder / f"{name}{suffix}"))
            steps, is_step = None if form == STEP else job.steps, form == STEP
            path = write(case.networks[precision], job.path, steps=steps, streaming=is_step)
            x = (case.x_q if precision == "int8" else case.x)[: job.steps]
            states = {} if suffix == ".npz" else facts(path).initial_states
            np.savez(f"{path}.input.npz", x[0] if is_step else x, **_numbered(states))
            yield job


def _numbered(states: Any) -> dict[str, Any]:
    return {f"state {name}": np.asarray(value) for name, value in states.items()}


def calls(job: Job) -> Callable[[], Array]:
    """What is counted."""
    with np.load(f"{job.path}.input.npz") as archive:
        x = archive["arr_0"]
        states = {k.removeprefix("state "): archive[k] for k in archive.files if k != "arr_0"}
    if job.form == PLAIN:
        return PLAINLY[job.engine](pathlib.Path(job.path), x[None])
    preparer = ENGINES[job.engine].preparers[job.precision]
    return prepare(preparer, job.path, Calling(x, states))


def _onnxruntime(path: pathlib.Path, x: Array) -> Callable[[], Array]:
    """`InferenceSession.run`."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda: session.run(None, {name: x})[0]


def _litert(path: pathlib.Path, x: Array) -> Callable[[], Array]:
    """As `verify` runs it: variables reset, tensors set and got by their details."""
    from edgelstm.runtimes.litert import open_litert

    opened = open_litert(path, {})
    return lambda: opened.run(x)


PLAINLY = {"onnxruntime": _onnxruntime, "litert": _litert}


def main(folder: pathlib.Path, out: pathlib.Path) -> None:
    """Calls each file `N_WARM` times uncounted, then counted."""
    signal.signal(MARK, signal.SIG_IGN)
    gc.disable()  # as `bench` does
    outputs = {}
    for k, job in enumerate(json.loads((folder / JOBS).read_text("utf-8"))):
        call = calls(Job(**job))
        outputs[str(k)] = np.stack([_counted(call) for _ in range(N_WARM + N_CALLS)][N_WARM:])
    np.savez(out, **outputs)  # type: ignore[arg-type]


def fault(job: Job, got: Array, host: Array) -> str | None:
    """Why outputs of emulated calls are not what they must be, or None.

    Args:
        job: What was called.
        got: Of the counted calls, one after the other.
        host: Of the same calls on this machine.
    """
    if job.precision == "int8" or job.engine == "numba":
        return None if np.array_equal(got, host) else "gives other bits than this machine"
    far = float(np.abs(got - host).max() / np.abs(host).max())
    most = MOST_APART[job.precision]
    return None if far < most else f"lies {far:.2g} of the largest value from this machine's"


def instructions(jobs: list[Job], marks: list[int]) -> dict[Job, Array]:
    """Of the counted calls of each, from the counts before and behind every call."""
    counts = np.reshape(marks, (len(jobs), N_WARM + N_CALLS, 2))[:, N_WARM:]
    return dict(zip(jobs, counts[..., 1] - counts[..., 0], strict=True))


def _counted(call: Callable[[], Array]) -> Array:
    os.kill(os.getpid(), MARK)
    y = call()
    os.kill(os.getpid(), MARK)
    return np.array(y)


if __name__ == "__main__":
    main(*map(pathlib.Path, sys.argv[1:]))
