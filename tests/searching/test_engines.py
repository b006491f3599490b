"""Executors: processes of this machine, and a Dask cluster of two workers."""

import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from edgelstm.errors import ModelError
from edgelstm.searching.space import Candidate
from edgelstm.tools import executors
from edgelstm.tools.executors import Lost, Workers, opened
from tests.searching import trainers
from tests.searching.test_searching import searched


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    pytest.importorskip("distributed", reason='pip install "edgelstm[dask]"')
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from distributed import LocalCluster

        with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as made:  # type: ignore[no-untyped-call]
            yield made


@pytest.mark.filterwarnings("ignore")
def test_a_dask_cluster_gives_the_digest_of_one_process(cluster: Any) -> None:
    address = cluster.scheduler_address.replace("tcp", "dask")
    with opened(address, 1, None) as executor:
        assert searched(executor=executor).digest == searched().digest


@pytest.mark.filterwarnings("ignore")
def test_a_dask_worker_that_is_killed_changes_nothing(cluster: Any) -> None:
    address = cluster.scheduler_address.replace("tcp", "dask")
    with opened(address, 1, None) as executor:
        pids = executor._client.run(os.getpid)  # type: ignore[attr-defined]

        def kill_one(entry: Any) -> None:
            if pids:
                os.kill(pids.popitem()[1], signal.SIGKILL)
                pids.clear()

        from edgelstm.searching.study import Progress

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Progress, "trained", lambda self, entry: kill_one(entry))
            more: dict[str, Any] = {"epochs": 2, "train": trainers.sleepy}
            found = searched(executor=executor, **more)
        assert not pids and not [entry for _, entry in found.entries if entry.reason]
        assert found.digest == searched(epochs=2).digest


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        ("dask://127.0.0.1:1", "no dask cluster answers at 127.0.0.1:1"),
        ("spark://here", "engine 'spark://here' is unknown; dask://HOST:PORT or ray://HOST:PORT"),
        ("dask://", "engine 'dask://' is unknown"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_an_engine_that_is_none_is_refused(
    engine: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "ANSWERS_S", 0.5)
    with pytest.raises(ModelError, match=message), opened(engine, 1, None):
        pass


def test_a_cluster_without_its_package_names_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "is_installed", lambda name: False)
    with (
        pytest.raises(ModelError, match=r'needs ray: pip install "edgelstm\[ray\]"'),
        opened("ray://127.0.0.1:10001", 1, None),
    ):
        pass


def test_workers_run_side_by_side() -> None:
    with Workers(2) as executor:
        for future in [executor.submit(trainers.span, 0.3) for _ in range(2)]:
            future.result()  # both have begun
        spans = [f.result() for f in [executor.submit(trainers.span, 0.5) for _ in range(4)]]
        overlaps = sum(one[0] < other[1] and other[0] < one[1] for one in spans for other in spans)
        assert overlaps > len(spans)  # not with itself alone


def test_what_a_call_raises_comes_back() -> None:
    with Workers(1) as executor:
        with pytest.raises(RuntimeError, match="ValueError: invalid literal"):
            executor.submit(int, "x").result()
        assert executor.submit(int, "7").result() == 7
    with pytest.raises(RuntimeError, match="shut down"):
        executor.submit(int, "7")


def test_a_shut_down_ends_what_runs() -> None:
    executor = Workers(1)
    future = executor.submit(time.sleep, 60)
    time.sleep(0.3)
    executor.shutdown()
    with pytest.raises(Lost):
        future.result(timeout=5)


def test_a_worker_has_one_thread_of_each_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(executors.THREADS[0], "7")
    before = dict(os.environ)
    with Workers(1) as executor:
        for name in executors.THREADS:
            assert executor.submit(os.getenv, name).result() == "1"
    assert dict(os.environ) == before


def test_workers_that_start_at_once_leave_the_environment_as_it_was() -> None:
    before, seen = dict(os.environ), []

    def start() -> None:
        for _ in range(50):
            with executors._one_thread():
                time.sleep(1e-4)
                seen.append({os.environ.get(name) for name in executors.THREADS})

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 200 and all(values == {"1"} for values in seen)
    assert dict(os.environ) == before


def test_a_worker_that_ends_by_an_exception_says_so() -> None:
    candidate = Candidate("lstm", 3, 1, "int8")
    with Workers(1) as executor:
        future = executor.submit(trainers.interrupting, candidate, None, 0, 1)
        with pytest.raises(Lost, match="2 times: exit code 1, .*KeyboardInterrupt: no more"):
            future.result()


def test_workers_leave_no_file_behind(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    opened_before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    workers = [executors._Process(None) for _ in range(5)]
    if opened_before is not None:
        assert len(os.listdir("/proc/self/fd")) == opened_before
    for worker in workers:
        worker.close()  # before it began, and again
        worker.close()
    assert not list(tmp_path.iterdir())
    with pytest.raises(Lost, match="shut down"):
        workers[0].call((int, ("7",), {}), None)


def test_a_worker_that_cannot_begin_is_lost_and_can_be_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from multiprocessing.context import SpawnProcess

    worker = executors._Process(None)

    def start(self: Any) -> None:
        worker.close()  # in another thread, before the process is there
        raise OSError("no more processes")

    monkeypatch.setattr(SpawnProcess, "start", start)
    with pytest.raises(Lost):
        worker.call((int, ("7",), {}), None)
