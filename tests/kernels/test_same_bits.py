"""Sequences, steps, batches, threads and forks give the same bits."""

import concurrent.futures
import os
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest

from edgelstm.execution import stages
from edgelstm.execution.session import Session, run
from edgelstm.kernels import links
from tests.kernel_forms import FORMS
from tests.networks import random_input, random_network


@FORMS
def test_sequence_steps_and_batch_give_the_same_bits(network: Any) -> None:
    x = random_input(network, 5, 70)
    expected = np.stack([run(network, row) for row in x])
    assert np.array_equal(run(network, x), expected)
    session = Session(network)
    assert np.array_equal([session.step(x_t) for x_t in x[0]], expected[0])
    parts = Session(network, batch=5)
    got = [parts.run(x[:, a:b]) for a, b in ((0, 1), (1, 4), (4, 31), (31, 70))]
    assert np.array_equal(np.concatenate(got, 1), expected)


@FORMS
def test_steps_that_go_through_the_layers_in_chunks_give_the_bits_of_all_at_once(
    network: Any, monkeypatch: Any
) -> None:
    x = random_input(network, 4, 70)
    expected = Session(network, batch=4).run(x)
    monkeypatch.setattr(links, "BUFFER_BYTES", 0)
    assert np.array_equal(Session(network, batch=4).run(x), expected)


@FORMS
def test_threads_give_the_bits_of_one_core(network: Any, monkeypatch: Any) -> None:
    x = random_input(network, 7, 30)
    expected = run(network, x)
    monkeypatch.setattr(stages, "LEAST_MACS_PER_WORKER", 0)
    monkeypatch.setattr("edgelstm.execution.compiled.cores", lambda: 3)
    assert np.array_equal(run(network, x), expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_threads_go_on_in_a_fork() -> None:
    code = """
import os
import numpy as np
from edgelstm.execution import stages
from edgelstm.execution.session import run
from tests.networks import random_network
stages.LEAST_MACS_PER_WORKER = 0
network, x = random_network("rnn", (3, 4)), np.ones((4, 5, 3), np.float32)
expected = run(network, x)
child = os.fork()
if child == 0:
    os._exit(0 if np.array_equal(run(network, x), expected) else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**os.environ, "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert done.stdout == "0\n"


@FORMS
def test_sessions_in_threads_give_the_bits_of_one_after_the_other(network: Any) -> None:
    x = random_input(network, 4, 200)
    expected = [run(network, row) for row in x]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        sessions = [Session(network) for _ in x]
        got = list(pool.map(lambda s, row: [s.step(x_t) for x_t in row], sessions, x))
    assert np.array_equal(got, expected)


def test_other_threads_run_while_a_kernel_does() -> None:
    network = random_network("lstm", (64, 256))
    session, x = Session(network), np.zeros((1, 64), np.float32)
    session.run(x)
    # 20,000 steps of 0.3 million products; with the GIL held, this thread would not wake meanwhile.
    work = threading.Thread(target=session.run, args=(np.zeros((20_000, 64), np.float32),))
    work.start()
    wakes = 0
    while work.is_alive():
        time.sleep(0.001)
        wakes += 1
    assert wakes > 20


def test_a_batch_runs_where_no_thread_starts_any_more(monkeypatch: Any) -> None:
    network = random_network("lstm", (5, 16))
    x = random_input(network, 4, 9)
    expected = run(network, x)
    ended = concurrent.futures.ThreadPoolExecutor(1)
    ended.shutdown()
    monkeypatch.setattr(stages, "pool", lambda process: ended)
    monkeypatch.setattr(stages, "LEAST_MACS_PER_WORKER", 0)
    monkeypatch.setattr("edgelstm.execution.compiled.cores", lambda: 2)
    assert np.array_equal(run(network, x), expected)
