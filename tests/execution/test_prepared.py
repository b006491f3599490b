"""Sessions that `run` keeps: made once, one caller's at a time, gone with their network."""

import copy
import dataclasses
import gc
import os
import pathlib
import pickle
import subprocess
import sys
import threading
import weakref
from typing import Any

import numpy as np
import pytest

from edgelstm.errors import ModelError
from edgelstm.execution import session
from edgelstm.execution.prepared import Kept
from edgelstm.execution.session import Session, run
from edgelstm.model.forward import forward
from edgelstm.model.network import Network
from edgelstm.quantization.quantizer import quantize
from tests.networks import random_input, random_network


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Session]:
    """Every session that `run` makes, in order."""
    sessions: list[Session] = []

    def note(*args: Any, **kwargs: Any) -> Session:
        sessions.append(Session(*args, **kwargs))
        return sessions[-1]

    monkeypatch.setattr(session, "Session", note)
    return sessions


def small() -> Network:
    return random_network("lstm", (3, 8), outputs=2)


def test_one_session_serves_every_call_of_a_form(made: list[Session]) -> None:
    network, x = small(), random_input(small(), 4, 9)
    expected = forward(network, x)
    for _ in range(3):
        assert np.abs(run(network, x) - expected).max() < 2e-6
        assert np.abs(run(network, x[1]) - expected[1]).max() < 2e-6
        assert np.abs(run(network, x[:1], engine="reference") - expected[:1]).max() < 2e-6
    assert len(made) == 3


def test_no_state_goes_on_to_the_next_call() -> None:
    for network in (small(), quantize(small(), random_input(small(), 4, 9))):
        x = random_input(network, 1, 30)[0]
        first = run(network, x)
        run(network, 5 * x)
        assert np.array_equal(run(network, x), first)


def test_callers_at_once_have_sessions_of_their_own() -> None:
    network = random_network("lstm", (5, 32))
    x = random_input(network, 8, 400)
    expected = forward(network, x)
    worst, start = np.full(8, np.inf), threading.Barrier(8)

    def work(k: int) -> None:
        start.wait()
        worst[k] = max(np.abs(run(network, x[k]) - expected[k]).max() for _ in range(20))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert worst.max() < 2e-6


def test_a_call_within_a_call_takes_another_session(made: list[Session]) -> None:
    network, x = small(), random_input(small(), 1, 9)[0]
    expected = run(network, x)
    outer, inner = made[0].run, []

    def interrupted(x: Any) -> Any:
        inner.append(run(network, x))
        return outer(x)

    made[0].run = interrupted  # type: ignore[method-assign]
    assert np.array_equal(run(network, x), expected)
    assert np.array_equal(inner[0], expected) and len(made) == 2


def test_after_an_exception_in_mid_run_the_next_call_begins_anew(
    made: list[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    network, x = small(), random_input(small(), 1, 9)[0]
    expected, whole = run(network, x), made[0].run

    def broken(x: Any) -> Any:
        whole(x[:4])
        raise KeyboardInterrupt

    monkeypatch.setattr(made[0], "run", broken)
    with pytest.raises(KeyboardInterrupt):
        run(network, x)
    assert np.array_equal(run(network, x), expected) and len(made) == 2


def test_refused_input_harms_no_later_call() -> None:
    network = quantize(small(), random_input(small(), 4, 9))
    x = random_input(network, 1, 9)[0]
    expected = run(network, x)
    with pytest.raises(ModelError, match="not finite"):
        run(network, np.full_like(x, np.nan))
    with pytest.raises(ModelError, match="engine"):
        run(network, x, engine=["numba"])  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="engine 'None' is unknown"):
        run(network, x, engine="None")
    assert np.array_equal(run(network, x), expected)


FORK = """
import os
import numpy as np
from edgelstm.execution import session
from tests.networks import random_input, random_network
network = random_network("lstm", (3, 8))
x = random_input(network, 1, 200)[0]
expected, made, real = session.run(network, x), [], session.Session
session.Session = lambda *a, **k: made.append(1) or real(*a, **k)
child = os.fork()
same = all(np.array_equal(session.run(network, x), expected) for _ in range(50))
who = "parent" if child else "child"
os.write(1, f"{who} {same} {len(made)}\\n".encode())  # at once: both write to one pipe
if child:
    os.waitpid(child, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks on this system")
def test_a_fork_makes_its_own_session() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORK],
        env={**os.environ, "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=True,
    )
    assert sorted(done.stdout.splitlines()) == ["child True 1", "parent True 0"]


def test_what_is_kept_goes_with_its_network() -> None:
    networks: list[Any] = [small(), quantize(small(), random_input(small(), 4, 9))]
    x = random_input(networks[0], 2, 9)
    for network in networks:
        run(copy.deepcopy(network), x)  # compilers leave cycles behind
    gc.collect()
    gc.disable()  # nothing may wait for the collector of cycles
    try:
        for network in networks:
            for engine in ("numba", "reference"):
                run(network, x, engine=engine)
        layers = [weakref.ref(layer) for n in networks for layer in n.layers]
        del networks, network
        assert [layer() for layer in layers] == [None] * 4
    finally:
        gc.enable()


def test_copies_of_a_network_carry_no_session(made: list[Session]) -> None:
    network, x = small(), random_input(small(), 1, 9)[0]
    expected = run(network, x)
    copies = copy.copy(network), copy.deepcopy(network), pickle.loads(pickle.dumps(network))
    for other in (*copies, dataclasses.replace(network, assumed=("x",))):
        assert np.array_equal(run(other, x), expected)
    assert len(made) == 5 == len({id(session) for session in made})


def test_a_large_batch_is_not_kept(made: list[Session]) -> None:
    network = random_network("lstm", (1, 1))
    x = np.zeros((session.LARGEST_KEPT + 1, 1, 1), np.float32)
    for _ in range(2):
        run(network, x)
        run(network, x[1:])
    assert len(made) == 3


def test_few_are_kept_and_the_one_unused_for_longest_goes() -> None:
    class Owner:
        pass

    owner, other, kept = Owner(), Owner(), Kept[str](most=2)
    for form in ("a", "b", "c"):
        kept.give_back(owner, form, form)
    assert [kept.take(owner, form) for form in ("a", "b")] == [None, "b"]
    kept.give_back(owner, "b", "b")
    kept.give_back(owner, "d", "d")
    assert [kept.take(owner, form) for form in "bcd"] == ["b", None, "d"]
    assert kept.take(owner, "b") is None and kept.take(other, "b") is None


def test_sources_are_read_once_in_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    run(small(), random_input(small(), 1, 9)[0])

    def read(self: pathlib.Path, *args: Any) -> Any:
        raise AssertionError(f"{self} is looked at again")

    monkeypatch.setattr(pathlib.Path, "rglob", read)
    network = small()
    run(network, random_input(network, 1, 9)[0])
