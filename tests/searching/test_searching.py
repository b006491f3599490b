"""A search gives the same digest wherever trainings run, and trains nothing twice."""

import json
import linecache
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections import Counter
from typing import Any

import numpy as np
import pytest

from edgelstm.errors import ModelError
from edgelstm.searching.costing import price
from edgelstm.searching.log import NAME
from edgelstm.searching.results import Found
from edgelstm.searching.searching import search
from edgelstm.searching.space import Candidate
from edgelstm.tools.executors import Workers
from tests.searching import trainers

QUICK = "tests.searching.trainers:quick"
ROOT = pathlib.Path(__file__).resolve().parents[2]


def searched(
    folder: pathlib.Path | None = None, executor: Any = None, budget: int = 12, **more: Any
) -> Found:
    asked: dict[str, Any] = {"train": QUICK, "epochs": 1, "folder": folder, "executor": executor}
    return search(trainers.SPACE, trainers.data(), budget=budget, **{**asked, **more})


@pytest.fixture
def counted(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A folder in which every training leaves a file, also those of other processes."""
    folder = tmp_path / "counted"
    folder.mkdir()
    monkeypatch.setenv(trainers.COUNTED, str(folder))
    return folder


def trainings(folder: pathlib.Path) -> Counter[str]:
    return Counter(path.name.rsplit("-", 2)[0] for path in folder.iterdir())


@pytest.fixture(scope="module")
def serial() -> Found:
    return searched()


def test_a_search_trains_no_architecture_twice(
    tmp_path: pathlib.Path, counted: pathlib.Path, serial: Found
) -> None:
    found = searched(tmp_path / "o")
    assert found.digest == serial.digest and found.trainings == 12
    assert set(trainings(counted).values()) == {1} and len(trainings(counted)) == 12
    again = searched(tmp_path / "o")
    assert (again.digest, again.trainings) == (found.digest, 0)
    assert len(trainings(counted)) == 12


def test_two_processes_give_the_digest_of_one(counted: pathlib.Path, serial: Found) -> None:
    with Workers(2) as executor:
        found = searched(executor=executor)
    assert found.digest == serial.digest
    assert set(trainings(counted).values()) == {1}


def killed(folder: pathlib.Path, lines: int) -> None:
    """A search that is ended with kill -9 once its log has so many lines."""
    code = (
        "import sys; from tests.searching import test_searching as t; import pathlib;"
        "t.searched(pathlib.Path(sys.argv[1]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen([sys.executable, "-c", code, str(folder)], cwd=ROOT, env=environment)
    log = folder / NAME
    while child.poll() is None and (not log.exists() or log.read_bytes().count(b"\n") < lines):
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    child.wait()


@pytest.mark.parametrize("lines", [1, 6])
def test_a_killed_search_goes_on_where_it_was(
    tmp_path: pathlib.Path, counted: pathlib.Path, serial: Found, lines: int
) -> None:
    killed(tmp_path / "o", lines)
    log = tmp_path / "o" / NAME
    log.write_bytes(log.read_bytes()[:-9])  # a torn last line
    kept = max(log.read_bytes().count(b"\n") - 1, 0)
    before = sum(trainings(counted).values())
    found = searched(tmp_path / "o")
    assert found.digest == serial.digest
    assert found.trainings == 12 - kept
    assert sum(trainings(counted).values()) == before + found.trainings


def test_a_log_cut_anywhere_gives_the_same_digest(tmp_path: pathlib.Path, serial: Found) -> None:
    searched(tmp_path)
    log = tmp_path / NAME
    whole = log.read_bytes()
    for cut in np.random.default_rng(0).integers(len(whole.splitlines()[0]) + 1, len(whole), 5):
        log.write_bytes(whole[:cut])
        assert searched(tmp_path).digest == serial.digest
        assert len(log.read_bytes().splitlines()) == 13


def test_another_budget_goes_on_in_the_same_log(
    tmp_path: pathlib.Path, counted: pathlib.Path
) -> None:
    searched(tmp_path / "o", budget=4)
    found = searched(tmp_path / "o", budget=8)
    assert found.trainings == 4 and set(trainings(counted).values()) == {1}


def test_repeats_train_the_front_with_other_seeds(tmp_path: pathlib.Path, serial: Found) -> None:
    found = searched(tmp_path, repeats=3)
    assert found.digest == serial.digest
    assert {len(point.repeats) for point in found.front()} == {3}


def test_keys_and_seeds_hang_on_no_hash(serial: Found) -> None:
    code = "from tests.searching import test_searching as t; print(t.searched().digest)"
    for hash_seed in ("1", "77"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "LC_ALL": "C"}
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**environment, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        assert done.stdout.strip() == serial.digest, done.stderr


def test_a_network_comes_back_as_it_was_trained(tmp_path: pathlib.Path) -> None:
    found = searched(tmp_path)
    point = found.front()[-1]
    again = searched(tmp_path).network(point.candidate)
    for one, other in zip(found.network(point.candidate).layers, again.layers, strict=True):
        for name, array in one.arrays.items():
            assert np.array_equal(array, other.arrays[name])
    with pytest.raises(ModelError, match="was not trained"):
        found.network(Candidate("lstm", 99, 1, "int8"))


def test_results_are_plain_json(serial: Found) -> None:
    told = json.loads(json.dumps(serial.to_dict(), allow_nan=False))
    assert told["accepted"] + sum(told["rejected"].values()) == len(told["points"])
    assert told["trainings"] == 12 and len(told["digest"]) == 12
    keys = {"candidate", "accuracy", "accuracy_interval", "float_accuracy", "saturation"}
    keys |= {"energy_uj", "energy_period_uj", "average_mw", "latency_us", "flash_bytes"}
    keys |= {"ram_bytes", "battery_days", "told_apart_from_next", "test_accuracy"}
    assert keys <= set(told["fronts"][0]["points"][0])
    assert "candidate" in serial._repr_html_()


@pytest.mark.parametrize(
    ("trainer", "reason"),
    [
        ("raising", "KeyError: 'no such thing'"),
        ("another", "returned another network than lstm-3x1"),
        ("nan", "lstm1.weight_ih_l0 that holds NaN or infinity"),
        ("no_network", "returned a NoneType"),
    ],
)
def test_a_failing_trainer_costs_its_candidate_alone(trainer: str, reason: str) -> None:
    name = f"tests.searching.trainers:{trainer}"
    found = search(trainers.SMALL, trainers.data(), budget=3, train=name, epochs=1)
    (failed,) = [entry for _, entry in found.entries if entry.reason]
    assert failed.key == "lstm-3x1" and reason in str(failed.reason)
    assert found.front() and found.chosen


def test_what_ends_hangs_or_eats_costs_its_candidate_alone() -> None:
    for trainer, reason in (
        ("ending", "its process ended, 2 times: exit code 7, its last words: so long"),
        ("hanging", "took longer than 0.5 s, and was ended"),
        ("eating", "MemoryError"),
        ("writing", "ValueError: assignment destination is read-only"),
    ):
        name = f"tests.searching.trainers:{trainer}"
        with Workers(1, timeout_s=0.5) as executor:
            found = search(
                trainers.SMALL, trainers.data(), budget=3, train=name, epochs=1, executor=executor
            )
        (failed,) = [entry for _, entry in found.entries if entry.reason]
        assert failed.key == "lstm-3x1" and reason in str(failed.reason)
        assert found.front()


def test_without_any_network_there_is_no_front() -> None:
    name = "tests.searching.trainers:all_fail"
    found = search(trainers.SMALL, trainers.data(), budget=3, train=name, epochs=1)
    assert not found.front() and found.chosen is None
    assert "no front for stm32u575" in str(found.chosen_reason)


def test_a_worker_of_other_versions_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from edgelstm.searching import trainings as module

    monkeypatch.setattr(module, "versions", lambda: {"numpy": "1.0"})
    with pytest.raises(ModelError, match=r"worker .* has numpy .*, and 1.0 is here"):
        searched()


def test_data_go_to_a_worker_once() -> None:
    from edgelstm.searching import working
    from edgelstm.searching.trainings import Trainings

    sent = []
    usual = Trainings._submit

    def submit(self: Trainings, candidate: Candidate, seed: int, *, with_data: bool) -> Any:
        sent.append(with_data)
        return usual(self, candidate, seed, with_data=with_data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainings, "_submit", submit)
        patch.setattr(working, "_data", {})
        searched()
        assert sent.count(True) == 1
        sent.clear()
        with Workers(2) as executor:
            searched(executor=executor)
    assert 1 <= sent.count(True) <= 8 < len(sent)  # what two blocks had asked before both had them


def test_ctrl_c_leaves_what_there_is(tmp_path: pathlib.Path, monkeypatch: Any) -> None:
    from edgelstm.searching import trainings as module
    from edgelstm.searching import working

    usual, calls = working.work, []

    def work(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return usual(*args)

    monkeypatch.setattr(module, "work", work)
    found = searched(tmp_path)
    assert found.interrupted and found.front()
    monkeypatch.setattr(module, "work", usual)
    assert searched(tmp_path).digest == searched().digest


@pytest.mark.parametrize("prices", [(), ("latency",), ("flash", "ram")], ids=str)
def test_other_objectives_are_what_the_front_and_the_choice_are_about(
    prices: tuple[str, ...],
) -> None:
    """On a device whose power is not known."""
    found = searched(devices=("ra8d1",), objectives=("accuracy", *prices), budget=4)
    named = prices or ("macs",)
    costs = [tuple(price(point.cost, name) for name in named) for point in found.front()]
    assert costs == sorted(costs)
    for rule in ("knee", "cheapest", "best"):
        chosen = found.pick(rule)
        assert "nan" not in chosen.reason and "energy" not in chosen.reason
    assert price(found.pick("cheapest").point.cost, named[0]) == costs[0][0]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"budget": 0}, "budget is 0; a whole number of at least 1 is needed"),
    ({"block": -1}, "block is -1"),
    ({"epochs": 0}, "epochs is 0"),
    ({"seed": -1}, "seed is -1"),
    ({"devices": ()}, "devices is empty"),
    ({"pick": "nicest"}, "pick 'nicest' is unknown; known: knee, cheapest, best"),
    ({"objectives": ("energy",)}, "objectives lack accuracy"),
    ({"objectives": ("accuracy", "beauty")}, "objective 'beauty' is unknown"),
    ({"objectives": ("accuracy", "accuracy", "energy")}, "objectives name one twice"),
    ({"objectives": ("accuracy", "flash"), "devices": ("rpi-5",)}, "flash not known"),
    ({"max_energy_uj": 1e-6}, "no candidate meets it: the nearest, "),
    ({"max_latency_us": -1}, "max_latency_us is -1"),
    ({"min_accuracy": 1.5}, "min_accuracy is 1.5; a number above 0, at most 1"),
    ({"max_rmse": 0.5}, "max_rmse is given, and y holds classes"),
    ({"period_ms": float("nan")}, "period_ms is nan"),
    ({"train": "tests.searching.trainers:absent"}, "has no function 'absent'"),
    ({"train": "no_such_module:train"}, "cannot be imported"),
    ({"train": 3}, "train is a int; a function is needed"),
]


@pytest.mark.parametrize(("given", "message"), REFUSED, ids=[str(g) for g, _ in REFUSED])
def test_bad_options_are_refused_in_a_sentence(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=".") as caught:
        searched(**given)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_log_of_other_data_or_another_trainer_is_refused(tmp_path: pathlib.Path) -> None:
    small: Any = {"budget": 1, "epochs": 1, "folder": tmp_path}
    search(trainers.SMALL, trainers.data(), train=trainers.quick, **small)
    with pytest.raises(ModelError, match="is of another data or seed, which .* --fresh"):
        search(trainers.SMALL, trainers.data(1), train=trainers.quick, **small)
    with pytest.raises(ModelError, match="is of another trainer: .*quick .*, now .*raising"):
        search(trainers.SMALL, trainers.data(), train=trainers.raising, **small)
    found = search(trainers.SMALL, trainers.data(1), train=trainers.quick, fresh=True, **small)
    assert found.trainings == 1
    (tmp_path / NAME).write_text("[1]\n")
    with pytest.raises(ModelError, match="is not the log of a search"):
        search(trainers.SMALL, trainers.data(), train=trainers.quick, **small)


def test_an_edited_trainer_is_another(tmp_path: pathlib.Path, monkeypatch: Any) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    source = "from tests.searching.trainers import quick\ndef mine(*given): return quick(*given)\n"
    (tmp_path / "my_trainer.py").write_text(source)
    small: Any = {"budget": 1, "epochs": 1, "folder": tmp_path / "o", "train": "my_trainer:mine"}
    assert search(trainers.SMALL, trainers.data(), **small).trainings == 1
    assert search(trainers.SMALL, trainers.data(), **small).trainings == 0
    del sys.modules["my_trainer"]
    (tmp_path / "my_trainer.py").write_text(source + "# edited\n")
    linecache.clearcache()
    with pytest.raises(ModelError, match=r"another trainer: my_trainer:mine \(\w+\), now .*fresh"):
        search(trainers.SMALL, trainers.data(), **small)
