"""Teams of threads on one sequence: the bits of one thread, and nobody waits for ever."""

import concurrent.futures
import gc
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from edgelstm.errors import ModelError
from edgelstm.execution import stages, team
from edgelstm.execution.session import Session, run
from edgelstm.layers.dense import Dense
from edgelstm.layers.read_steps import ReadSteps
from edgelstm.model.network import Network
from edgelstm.quantization.quantizer import quantize
from tests.kernels.guarded import guarded
from tests.networks import (
    bidirectional_network,
    random_input,
    random_network,
    random_recurrent,
    uniform,
)

PRECISIONS = ("float32", "hybrid", "int8")


class Always:
    """A trial that has a team for every call, and counts them."""

    wants_team = prefers_team = True

    def __init__(self) -> None:
        self.calls = 0

    def note(self, us_per_step: float, *, team: bool) -> None:
        """A call of a team ended."""
        self.calls += team


@pytest.fixture
def force(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Always]]:
    """Networks of any size take a team of so many, whatever the machine has."""
    pool = concurrent.futures.ThreadPoolExecutor(4)

    def forced(most: int) -> Always:
        trial = Always()
        monkeypatch.setattr(team, "LEAST_MACS", 0)
        monkeypatch.setattr(team, "cores", lambda: most)
        monkeypatch.setattr(team, "pool", lambda process: pool)
        monkeypatch.setattr("edgelstm.execution.chained.members", lambda stages: most)
        monkeypatch.setattr("edgelstm.execution.chained.trial_of", lambda stages: trial)
        return trial

    yield forced
    pool.shutdown()


def made(sizes: tuple[int, ...], precision: str, cell_name: str = "lstm", **more: Any) -> Any:
    """A network in a precision."""
    network = random_network(cell_name, sizes, **more)
    if precision == "float32":
        return network
    return quantize(
        network, random_input(network, 3, 20) if precision == "int8" else None, precision
    )


def check_same(network: Any, force: Callable[[int], Always], most: int, steps: int = 61) -> None:
    """Sequences of a team give one thread's bits, and leave its states."""
    x, alone = random_input(network, 1, steps)[0], Session(network)
    expected = [alone.run(part) for part in (x, x[:1], x[:30])]
    trial = force(most)
    session = Session(network)
    got = [session.run(part) for part in (x, x[:1], x[:30])]
    assert trial.calls >= 3
    for one, wanted in zip(got, expected, strict=True):
        assert np.array_equal(one, wanted)
    for layer, states in alone.state.items():
        for name, value in states.items():
            assert np.array_equal(session.state[layer][name], value)


@pytest.mark.parametrize("most", [2, 3])
@pytest.mark.parametrize("sizes", [(5, 33), (40, 64, 100), (3, 16, 70, 33)])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_team_gives_the_bits_of_one_thread(
    precision: str, sizes: tuple[int, ...], most: int, force: Any
) -> None:
    check_same(made(sizes, precision, outputs=7, activation="softmax"), force, most)


@pytest.mark.parametrize("cell_name", ["gru", "gru_reset_before"])
def test_other_cells_of_a_team_too(cell_name: str, force: Any) -> None:
    check_same(random_network(cell_name, (9, 70, 40)), force, 3)


def test_a_session_says_that_units_are_shared_once_it_is_decided(force: Any) -> None:
    trial = force(3)
    session = Session(random_network("lstm", (9, 40), outputs=3))
    trial.prefers_team = None
    session.run(np.zeros((5, 9), np.float32))
    assert "threads" not in repr(session)
    trial.prefers_team = True
    assert repr(session).splitlines()[1:] == [
        "  lstm1: lstm 9 -> 40: kernel, units shared by 3 threads",
        "  dense1: dense 40 -> 3: kernel",
    ]


def test_layers_that_are_not_shared_are_computed_once(force: Any) -> None:
    check_same(made((5, 40, 20), "hybrid", "mgu", outputs=3), force, 2)  # a program
    rng = np.random.default_rng(1)
    layers = (
        random_recurrent("lstm", 6, 70, rng, name="a", projection=9),
        random_recurrent("lstm", 9, 50, rng, name="b"),
        Dense("c", uniform(rng, (4, 50), 1), uniform(rng, (4,), 1), None),
    )
    check_same(Network(layers), force, 2)


@pytest.mark.parametrize("form", [None, "composed"])
@pytest.mark.parametrize("reads", [("mean",), ("last", "max")])
def test_what_is_read_of_the_steps_is_read_by_the_leader(
    reads: tuple[str, ...], form: str | None, force: Any
) -> None:
    rng = np.random.default_rng(1)
    read = ReadSteps(40, reads)
    width = 40 * len(reads)
    dense = Dense("c", uniform(rng, (4, width), 1), uniform(rng, (4,), 1), None)
    network: Any = Network((random_recurrent("lstm", 6, 40, rng, name="a"), read, dense))
    if form:
        network = quantize(network, random_input(network, 3, 20), "int8", form)
    check_same(network, force, 2)


@pytest.mark.parametrize("outputs", [0, 3])
def test_the_last_step_alone_is_read(outputs: int, force: Any) -> None:
    check_same(made((6, 70), "float32", outputs=outputs, last_step=True), force, 2)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_both_directions_of_a_layer_have_a_team(
    precision: str, force: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    network: Any = bidirectional_network("lstm", (5, 48), outputs=3)
    if precision == "int8":
        network = quantize(network, random_input(network, 3, 20))
    check_same(network, force, 2)
    monkeypatch.setattr("edgelstm.kernels.links.WHOLE_BYTES", 1)
    check_same(network, force, 3)  # of more steps than were made room for


def test_integers_may_come_in_and_an_axis_of_one_sequence(force: Any) -> None:
    network = made((20, 70), "int8")
    raw = np.random.default_rng(0).integers(-128, 128, (1, 40, 20)).astype(np.int8)
    expected = run(network, raw)
    trial = force(2)
    session = Session(network, batch=1)
    assert np.array_equal(session.run(raw), expected) and trial.calls == 1


@pytest.mark.parametrize("precision", PRECISIONS)
def test_steps_and_states_go_on_where_a_team_ended(precision: str, force: Any) -> None:
    network = made((12, 70, 40), precision)
    x, alone = random_input(network, 1, 40)[0], Session(network)
    expected = np.array([alone.step(x_t) for x_t in x])
    force(2)
    session = Session(network)
    got = [session.run(x[:9]), session.step(x[9])[None], session.run(x[10:25])]
    kept = session.state
    got.append(session.run(x[25:]))
    assert np.array_equal(np.concatenate(got), expected)
    session.state = kept
    assert np.array_equal(session.run(x[25:]), expected[25:])
    session.reset()
    assert np.array_equal(session.run(x), expected)


def test_nothing_is_touched_beside_the_callers_arrays(force: Any) -> None:
    for precision in PRECISIONS:
        network = made((13, 33), precision, outputs=3)
        x = random_input(network, 1, 29)[0]
        expected = run(network, x)
        force(3)
        for at_end in (False, True):
            call = Session(network)._engine.call(is_step=False, real=True)
            y = guarded(np.zeros_like(expected), at_end=at_end)
            assert call(guarded(x, at_end=at_end), y) == 0
            assert np.array_equal(y, expected)


def test_arrays_that_do_not_fit_are_refused_as_by_one_thread(force: Any) -> None:
    network = made((13, 33), "int8")
    x = random_input(network, 1, 9)[0]
    force(2)
    session = Session(network)
    expected, before = session.run(x), session.state
    assert len(session.run(x[:0])) == 0
    assert session._engine.call(is_step=False, real=True)(x.T, expected) == stages.UNFIT
    x[4, 2] = np.nan
    with pytest.raises(ModelError, match="1 values that are not finite"):
        session.run(x)
    assert np.array_equal(session.state["lstm1"]["h"], before["lstm1"]["h"])


class Nobody:
    """A pool that takes what it is given, and runs none of it."""

    def __init__(self) -> None:
        self.given: list[Any] = []

    def submit(self, work: Callable[[], int]) -> Any:
        """One more that waits."""
        self.given.append(work)
        return concurrent.futures.Future()


class Ended:
    """A pool of a process that is ending."""

    def submit(self, work: Callable[[], int]) -> Any:
        """Refuses."""
        raise RuntimeError("cannot schedule new futures after shutdown")


def test_threads_that_never_come_are_not_waited_for(
    force: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = made((12, 70), "float32")
    x = random_input(network, 1, 40)[0]
    expected = run(network, x)
    force(3)
    nobody = Nobody()
    for pool in (nobody, Ended()):
        monkeypatch.setattr(team, "pool", lambda process, pool=pool: pool)
        session = Session(network)
        for _ in range(3):
            session.reset()
            assert np.array_equal(session.run(x), expected)
    assert len(nobody.given) == 2  # who was asked once is not asked again
    del session
    gc.collect()
    assert [late() for late in nobody.given] == [0, 0]


def test_a_second_call_at_once_is_computed_by_its_own_thread(
    force: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = made((12, 70), "int8")
    x = random_input(network, 1, 100)[0]
    expected = run(network, x)
    trial = force(2)
    with team._leading(os.getpid()):
        assert np.array_equal(Session(network).run(x), expected)
    assert trial.calls == 0
    wrong: list[int] = []

    def many() -> None:
        session = Session(network)
        for k in range(10):
            session.reset()
            if not np.array_equal(session.run(x), expected):
                wrong.append(k)

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert wrong == [] and trial.calls > 0


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux's affinity")
def test_a_team_on_one_core_comes_to_its_end(force: Any) -> None:
    network = made((12, 70), "float32")
    x = random_input(network, 1, 50)[0]
    expected, allowed = run(network, x), os.sched_getaffinity(0)
    trial = force(3)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        session = Session(network)
        for _ in range(5):
            session.reset()
            assert np.array_equal(session.run(x), expected)
    finally:
        os.sched_setaffinity(0, allowed)
    assert trial.calls == 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_fork_has_teams_of_its_own(force: Any) -> None:
    network = made((12, 70), "float32")
    x = random_input(network, 1, 50)[0]
    expected = run(network, x)
    force(2)
    session = Session(network)
    session.run(x)
    with team._leading(os.getpid()):
        child = os.fork()
    if child == 0:
        session.reset()
        os._exit(0 if np.array_equal(session.run(x), expected) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_small_networks_and_unknown_caches_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = (Session(random_network("lstm", (8, n))) for n in (16, 70))
    monkeypatch.setattr(team, "cores", lambda: 4)
    for cache_bytes, expected in ((None, 1), (1 << 30, 1), (60_000, 2), (30_000, 4), (1_000, 4)):
        monkeypatch.setattr(team, "_private_bytes", lambda n=cache_bytes: n)
        assert team.members(large._engine._stages) == expected  # type: ignore[attr-defined]
    monkeypatch.setattr(team, "_private_bytes", lambda: 30_000)
    assert team.members(small._engine._stages) == 1  # type: ignore[attr-defined]


def test_sessions_of_a_network_share_what_was_measured() -> None:
    network = random_network("lstm", (8, 70))
    one, same, other = (
        team.trial_of(Session(n)._engine._stages)  # type: ignore[attr-defined]
        for n in (network, network, random_network("lstm", (8, 70)))
    )
    assert one is same and one is not other


def test_short_calls_and_pinned_processes_have_none(
    force: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = random_network("lstm", (8, 70))
    x = random_input(network, 1, 10)[0]
    trial = force(2)
    monkeypatch.setattr(team, "LEAST_MACS", 5 * 4 * 70 * 78 + 1)
    session = Session(network)
    session.run(x)
    assert trial.calls == 0
    session.run(np.concatenate([x, x]))
    assert trial.calls == 1
    monkeypatch.setattr(team, "cores", lambda: 1)
    session.run(np.concatenate([x, x]))
    assert trial.calls == 1


def test_kernels_of_a_team_are_compiled_ahead_where_there_can_be_one(
    force: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = made((8, 70), "int8", outputs=3)
    engine: Any = Session(network)._engine
    assert not {kernel.name for kernel in engine.kernels() if "team" in kernel.name}
    x = random_input(network, 1, 40)[0]
    force(2)
    for kernel in (session := Session(network))._engine.kernels():
        assert kernel.function
    from edgelstm.kernels import cache

    monkeypatch.setattr(cache, "bound", lambda *given: pytest.fail("compiled once more"))
    assert len(session.run(x)) == 40
