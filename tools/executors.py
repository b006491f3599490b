"""Where trainings take place: processes of this machine, or a cluster that exists.

Each is a `concurrent.futures.Executor`. A local worker is one spawned process of one thread, with
a limit of memory and, if wanted, of time; one that ends, hangs or is ended is made anew.
"""

import contextlib
import dataclasses
import multiprocessing
import os
import pathlib
import queue
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from multiprocessing.connection import Connection
from typing import Any

from edgelstm.errors import ModelError
from edgelstm.installed import is_installed
from edgelstm.printable import one_line
from edgelstm.searching.working import difference, versions

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
TRIES = 2  # of a task whose process ended
LAST_WORDS = 200  # characters
STARTED_S = 120.0  # a process that says nothing for so long does not start
ENDS_S = 2.0  # what a process that closed its pipe has to end by itself
ANSWERS_S = 5.0  # a cluster that does not answer for so long is not there
SCHEMES = {"dask": "distributed", "ray": "ray"}
_starting = threading.Lock()


class Lost(RuntimeError):
    """A worker ended, or was ended, in the middle of a task."""


@dataclasses.dataclass(frozen=True)
class _Task:
    future: Future[Any]
    call: tuple[Callable[..., Any], tuple[Any, ...], Mapping[str, Any]]


class Workers(Executor):
    """Spawned processes of this machine, each of one task at a time.

    Args:
        n: How many.
        timeout_s: A task that takes longer is ended with its process; None for no limit.
    """

    def __init__(self, n: int, timeout_s: float | None = None) -> None:
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._timeout_s, self._closed = timeout_s, False
        limit = _memory_bytes(n)
        self._workers = [_Process(limit) for _ in range(n)]
        self._threads = [
            threading.Thread(target=self._serve, args=(worker,), daemon=True)
            for worker in self._workers
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """A call for the next worker that is free."""
        if self._closed:
            raise RuntimeError("the workers are shut down")
        future: Future[Any] = Future()
        self._tasks.put(_Task(future, (fn, args, kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the processes; what runs is lost."""
        self._closed = True
        for worker in self._workers:
            worker.close()
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads if wait else ():
            thread.join(timeout=10)

    def _serve(self, worker: "_Process") -> None:
        while (task := self._tasks.get()) is not None:
            if not task.future.set_running_or_notify_cancel():
                continue
            try:
                done, value = self._tried(worker, task)
            except BaseException as error:  # a pool that ends in the middle of it
                done, value = False, error
            if done:
                task.future.set_result(value)
            else:
                task.future.set_exception(value)

    def _tried(self, worker: "_Process", task: _Task) -> tuple[bool, Any]:
        """Whether it was done, and its result or what it raised."""
        for k in range(TRIES):
            try:
                return worker.call(task.call, self._timeout_s)
            except TimeoutError:
                return False, Lost(f"took longer than {self._timeout_s:g} s, and was ended")
            except Lost as error:
                if k + 1 == TRIES or self._closed:
                    return False, Lost(f"its process ended, {TRIES} times: {error}")
        raise AssertionError("the last try returns")


class _Process:
    """One worker process, begun with its first task and again where it ended."""

    def __init__(self, limit_bytes: int | None) -> None:
        self._limit_bytes, self._closed = limit_bytes, False
        self._process: Any = None
        self._pipe: Connection | None = None
        file, words = tempfile.mkstemp(prefix="edgelstm-worker-")
        os.close(file)
        self._words = pathlib.Path(words)

    def call(self, call: Any, timeout_s: float | None) -> tuple[bool, Any]:
        """Whether it returned, and what it returned or raised."""
        try:
            if self._process is None:
                self._start()
            assert self._pipe is not None
            self._pipe.send(call)
            if not self._pipe.poll(timeout_s):
                raise TimeoutError
            done, value = self._pipe.recv()
        except TimeoutError:
            self._end()
            raise
        except (EOFError, OSError):
            raise Lost(self._last_words(self._end(ENDS_S))) from None
        return done, value

    def close(self) -> None:
        """Ends it for good."""
        self._closed = True
        self._end()
        with contextlib.suppress(OSError):
            self._words.unlink()

    def _start(self) -> None:
        if self._closed:
            raise Lost("the workers are shut down")
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        arguments = theirs, str(self._words), self._limit_bytes
        process = context.Process(target=_worker, args=arguments, daemon=True)
        with theirs, _one_thread():
            process.start()
        self._process = process  # only now: one that never began cannot be joined
        if self._closed or not self._pipe.poll(STARTED_S):
            raise Lost(self._last_words(self._end()))
        self._pipe.recv()  # that it is ready

    def _end(self, wait_s: float = 0) -> int | None:
        """Its exit code, of its own if it ends within a time; None where there is none."""
        process, self._process = self._process, None
        if process is None:
            return None
        process.join(timeout=wait_s)
        process.kill()  # does nothing to one that has ended
        process.join()
        if self._pipe is not None:
            self._pipe.close()
        code: int | None = process.exitcode
        return code

    def _last_words(self, code: int | None) -> str:
        """The end of what it wrote on standard error, and its exit code."""
        try:
            said = one_line(self._words.read_text(errors="replace"))[-LAST_WORDS:]
        except OSError:
            said = ""
        return f"exit code {code}" + (f", its last words: {said}" if said else "")


def _worker(pipe: Connection, words: str, limit_bytes: int | None) -> None:
    """The life of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the command's
    file = os.open(words, os.O_WRONLY | os.O_TRUNC)
    os.dup2(file, 2)
    os.dup2(file, 1)  # standard output belongs to the command
    _limit_memory(limit_bytes)
    pipe.send("ready")
    with contextlib.suppress(EOFError):
        while True:
            fn, args, kwargs = pipe.recv()
            try:
                answer = True, fn(*args, **kwargs)
            except Exception as error:
                answer = False, RuntimeError(f"{type(error).__name__}: {error}")
            pipe.send(answer)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """What is started inside computes on one thread: libraries read these as they are loaded."""
    with _starting:  # the environment is one for all threads
        before = {name: os.environ[name] for name in THREADS if name in os.environ}
        os.environ.update(dict.fromkeys(THREADS, "1"))
        try:
            yield
        finally:
            for name in THREADS:
                del os.environ[name]
            os.environ.update(before)


def _memory_bytes(n: int) -> int | None:
    """What is free, divided by workers; None where it is not known."""
    try:
        lines = pathlib.Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    found = next((line for line in lines if line.startswith("MemAvailable:")), None)
    return int(found.split()[1]) * 1024 // n if found else None


def _limit_memory(limit_bytes: int | None) -> None:
    """Bounds what this process takes on top of what it has mapped already."""
    if limit_bytes is None:
        return
    import resource

    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + limit_bytes
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def allowed_cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def opened(engine: str | None, workers: int, timeout_s: float | None) -> Iterator[Executor]:
    """The executor of a command: a cluster by its address, else processes of this machine.

    Raises:
        ModelError: The address is none, its package is missing, nobody answers there, or a worker
            has other versions.
    """
    scheme, _, address = (engine or "").partition("://")
    if engine is None:
        pool: Any = Workers(workers, timeout_s)
    elif scheme not in SCHEMES or not address:
        raise ModelError(f"engine '{engine}' is unknown; dask://HOST:PORT or ray://HOST:PORT")
    elif not is_installed(SCHEMES[scheme]):
        raise ModelError(f'engine {engine} needs {scheme}: pip install "edgelstm[{scheme}]"')
    else:
        pool = contextlib.ExitStack()
    with pool:
        joined = _on_dask if scheme == "dask" else _on_ray
        yield pool if engine is None else pool.enter_context(joined(address))


@contextlib.contextmanager
def _on_dask(address: str) -> Iterator[Executor]:
    from distributed import Client

    try:
        client: Any = Client(f"tcp://{address}", timeout=ANSWERS_S)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TimeoutError) as error:
        raise ModelError(_silent("dask", address, error)) from None
    with client:
        own = versions()
        for name, found in client.run(versions).items():
            if told := difference(found, own):
                raise ModelError(f"worker {name} has {told}; install the same on all of them")
        yield client.get_executor(pure=False)


@contextlib.contextmanager
def _on_ray(address: str) -> Iterator[Executor]:
    import ray

    class OnRay(Executor):
        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            found: Future[Any] = ray.remote(fn).remote(*args, **kwargs).future()
            return found

    try:
        ray.init(f"ray://{address}", log_to_driver=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ModelError(_silent("ray", address, error)) from None
    try:
        yield OnRay()
    finally:
        ray.shutdown()


def _silent(scheme: str, address: str, error: Exception) -> str:
    told = one_line(str(error))[:120] or type(error).__name__
    return f"no {scheme} cluster answers at {address}: {told}"
