"""`bench --remote`: the same command on another machine, over ssh; its run is brought here."""

import contextlib
import dataclasses
import json
import os
import pathlib
import secrets
import shlex
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from edgelstm.errors import ModelError
from edgelstm.formats import AnyNetwork, write
from edgelstm.measurement.results import Run
from edgelstm.measurement.stored import read_run
from edgelstm.tools.output import Tell
from edgelstm.tools.remote_host import SSH_FAILED, Done, Host, connected
from edgelstm.tools.remote_install import installed

AGAIN_S, PAUSE_S = 60.0, 3.0  # how long a link that was cut is tried again, and how often
END_S = 30.0  # that an interrupted run may take to say what it has
# What is printed here as it goes on; the result lies in a file there, so that a cut link keeps it.
SCRIPT = """cd {folder} || exit 1
: > log
nohup {command} > out.json 2> log < /dev/null & p=$!
echo $p > pid
tail -n +1 -f log >&2 & t=$!
wait $p; code=$?
sleep 0.3; kill $t 2> /dev/null
cat {result} 2> /dev/null
exit $code
"""
# Where there is no result, why is what its log ends with.
WAIT = """cd {folder} || exit 1
while kill -0 "$(cat pid)" 2> /dev/null; do sleep 1; done
[ -s {result} ] && cat {result} || tail -n 1 log >&2
"""
# A shell lets what it starts behind `&` ignore SIGINT.
STOP = """cd {folder} || exit 1
kill -TERM "$(cat pid)"
n=0; while kill -0 "$(cat pid)" 2> /dev/null && [ $n -lt {seconds} ]; do sleep 1; n=$((n + 1)); done
cat {result} 2> /dev/null
"""
INTERRUPTED = 130  # the shells' exit code of what SIGINT ends


@dataclasses.dataclass(frozen=True)
class Job:
    """What is done there.

    Attributes:
        words: Options of `bench`.
        network: That is given as its model; None: the bundled one, or none.
        files: Option to a file that goes with it.
        result: The file that is brought here.
    """

    words: Sequence[str]
    network: AnyNetwork | None = None
    files: Mapping[str, pathlib.Path] = dataclasses.field(default_factory=dict)
    result: str = "out.json"


def measured(name: str, job: Job, tell: Tell) -> Run:
    """The run of a host; one that was interrupted holds what was measured until then.

    Raises:
        ModelError: The host cannot be reached or used, or refuses the options.
    """
    out = done(name, job, tell)
    try:
        found = json.loads(out)
    except ValueError:
        raise ModelError(f"{name}: what it printed is no run: {out[:80]!r}") from None
    return read_run(found, name)


def done(name: str, job: Job, tell: Tell) -> bytes:
    """What a job's result is.

    Raises:
        ModelError: There is none, with what was said there.
        KeyboardInterrupt: There is none yet.
    """
    with connected(name) as host:
        python = installed(host, tell)
        with _sent(host, job) as (folder, words):
            command = shlex.join([python, "-m", "edgelstm", "bench", *words, "--json"])
            code, out, said = _run(host, (folder, job.result), command, tell)
    if out.strip():
        return out
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    if told := next((line for line in reversed(said) if line.startswith("error: ")), None):
        raise ModelError(f"{name}: {told.removeprefix('error: ')}")
    last = f"; it said last: {said[-1]}" if said else ""
    raise ModelError(f"{name}: the command there ended without a result{last}")


@contextlib.contextmanager
def _sent(host: Host, job: Job) -> Iterator[tuple[str, list[str]]]:
    """A folder there with what the command reads, and the command's words."""
    home = host.run('printf %s "$HOME"').decode()
    folder, words = f"{home}/.cache/edgelstm/run-{secrets.token_hex(6)}", list(job.words)
    host.run(f"mkdir -p {folder}")
    if job.network is not None:
        with tempfile.TemporaryDirectory() as here:
            content = write(job.network, pathlib.Path(here) / "model.npz").read_bytes()
        host.put(content, f"{folder}/model.npz")
        words.insert(0, "model.npz")
    for option, path in job.files.items():
        host.put(_read(path), f"{folder}/{option.strip('-')}{path.suffix}")
        words += [option, f"{option.strip('-')}{path.suffix}"]
    yield folder, words
    host.try_run(f"rm -rf {folder}")  # not behind an error: what was measured lies there


def _read(path: pathlib.Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from None


def _run(
    host: Host, place: tuple[str, str], command: str, tell: Tell
) -> tuple[int, bytes, list[str]]:
    """Exit code, the result, and what it said; `place`: the folder and the result's name."""
    folder, result = place
    said: list[str] = []
    script = SCRIPT.format(folder=folder, command=command, result=result)
    with tempfile.TemporaryFile() as out:
        heard, spoken = os.pipe()
        process = host.start(script, out, spoken)
        os.close(spoken)
        try:
            with open(heard, "rb") as lines, process:
                for line in lines:
                    said.append(line.decode("utf-8", "replace").strip())
                    if said[-1].endswith(" ..."):
                        tell(f"{host.name}: {said[-1].removesuffix(' ...')}")
        except (KeyboardInterrupt, SystemExit):  # `__main__` turns signals into the latter
            process.kill()
            process.wait()
            stop = STOP.format(folder=folder, seconds=int(END_S), result=result)
            return INTERRUPTED, host.try_run(stop).out, said
        if process.returncode == SSH_FAILED:
            done = _again(host, place, tell)
            return done.code, done.out, said + done.said.decode("utf-8", "replace").splitlines()
        out.seek(0)
        return process.returncode, out.read(), said


def _again(
    host: Host,
    place: tuple[str, str],
    tell: Tell,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> Done:
    """How the run there ended, which a link that was cut does not end."""
    (folder, result), until = place, clock() + AGAIN_S
    while True:
        tell(f"the link to {host.name} was cut; trying again")
        done = host.try_run(WAIT.format(folder=folder, result=result))
        if done.code != SSH_FAILED:
            return done
        if clock() > until:
            raise ModelError(
                f"{host.told(done)}; what is measured there goes on, and "
                f"will lie in {folder}/{result} there"
            )
        sleep(PAUSE_S)
