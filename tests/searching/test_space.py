"""A space is every combination of its lists; a candidate has one name everywhere."""

import re
from typing import Any

import numpy as np
import pytest

from edgelstm.cells import CELLS
from edgelstm.cost.count_ops import count
from edgelstm.devices.device import read_device
from edgelstm.errors import ModelError
from edgelstm.model.precision import PRECISIONS
from edgelstm.searching.space import Candidate, Space, Task

TASK = Task(12, 9, 29)
U575, PI = read_device("stm32u575"), read_device("rpi-5")
FULL = Space(
    cell=tuple(CELLS),
    hidden=(1, 5),
    layers=(1, 3),
    precision=tuple(PRECISIONS),
    projection=(None, 2),
    bidirectional=(False, True),
)


def filled(space: Space, *devices: Any) -> Space:
    return space.filled(devices or [U575], input_size=12, outputs=9, steps=29)


def test_without_options_64_candidates_are_what_a_microcontroller_should_run() -> None:
    space = filled(Space())
    assert space.n_candidates == len(set(space.candidates())) == 64
    assert {c.cell for c in space.candidates()} == {"lstm", "gru"}
    assert {c.hidden_size for c in space.candidates()} == set(range(4, 65, 4))
    assert {c.precision for c in space.candidates()} == {"int8"}
    assert space.task() == TASK


@pytest.mark.parametrize(
    ("devices", "precision"), [((U575,), "int8"), ((PI,), "hybrid"), ((U575, PI), "int8")]
)
def test_the_devices_say_the_precision(devices: Any, precision: str) -> None:
    assert filled(Space(), *devices).precision == (precision,)


def test_what_is_said_stays_as_it_is() -> None:
    space = Space(precision="float32", input_size=3, outputs=2, steps=1)
    assert filled(space).task() == Task(3, 2, 1)
    assert filled(space, PI).precision == ("float32",)


def test_each_candidate_has_a_key_of_its_own_that_may_name_a_file() -> None:
    keys = [candidate.key() for candidate in FULL.candidates()]
    assert len(set(keys)) == len(keys) == FULL.n_candidates == 8 * 2 * 2 * 4 * 2 * 2
    assert all(re.fullmatch(r"[a-z0-9_-]+", key) for key in keys)


def test_each_candidate_is_a_network_of_its_sizes_or_is_refused() -> None:
    for candidate in FULL.candidates():
        if candidate.refusal():
            assert candidate.projection is not None
            continue
        network = candidate.network(TASK)
        assert (network.input_size, network.output_size) == (12, 9)
        assert network.last_step
        recurrent = [layer for layer in network.layers if layer.kind == "recurrent"]
        assert len(recurrent) == candidate.layers
        assert all(len(layer.parts) == 1 + candidate.bidirectional for layer in recurrent)
        assert count(network, precision=candidate.precision).total.macs > 0


def test_a_head_on_each_step_costs_the_same_macs() -> None:
    one = Candidate("gru", 16, 2, "int8", bidirectional=True)
    last, each = (one.network(Task(12, 9, 29, last_step=last)) for last in (True, False))
    assert last.last_step and not each.last_step
    assert count(last).total.macs == count(each).total.macs


def test_two_directions_have_twice_the_units_in_front_of_the_next_layer() -> None:
    # gru 12 -> 4: 3*4*(12 + 4) a direction; 8 -> 4: 3*4*(8 + 4) a direction; head 8 -> 9
    network = Candidate("gru", 4, 2, "int8", bidirectional=True).network(TASK)
    assert count(network).total.macs == 2 * 3 * 4 * 16 + 2 * 3 * 4 * 12 + 8 * 9


def test_a_projection_is_smaller_than_the_units_and_of_lstms() -> None:
    told = {
        Candidate(cell, 8, 1, "int8", projection).refusal()
        for cell, projection in (("gru", 4), ("lstm", 8), ("lstm", 9), ("lstm", 7))
    }
    assert told == {
        "a gru has no projection; LSTMs do",
        "a projection to 8 leaves nothing out of 8",
        "a projection to 9 leaves nothing out of 8",
        None,
    }


def test_numbers_of_numpy_and_single_values_are_lists() -> None:
    space = Space(cell="rnn", hidden=np.array([3, 4, 3]), layers=2, precision="int8")  # type: ignore[arg-type]
    assert [c.key() for c in space.candidates()] == ["rnn-3x2-int8", "rnn-4x2-int8"]
    assert filled(space).to_dict()["hidden"] == [3, 4]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"cell": ()}, "cell is an empty list"),
        ({"cell": "lsm"}, "cell 'lsm' is unknown; known: lstm"),
        ({"cell": 3.5}, "cell is 3.5; a value, a list or a range is needed"),
        ({"hidden": []}, "hidden is an empty list"),
        ({"hidden": range(8, 4)}, "hidden is an empty list"),
        ({"hidden": 0}, "hidden is 0; whole numbers from 1 to 65,536"),
        ({"hidden": (8, -1)}, "hidden is -1"),
        ({"hidden": (8, 2.5)}, "hidden is 2.5"),
        ({"hidden": "8"}, "hidden is '8'"),
        ({"hidden": True}, "hidden is True"),
        ({"layers": 2000}, "layers is 2000; whole numbers from 1 to 1,024"),
        ({"precision": "int4"}, "precision 'int4' is unknown"),
        ({"projection": 0}, "projection is 0"),
        ({"bidirectional": 1}, "bidirectional is 1; True or False"),
        ({"input_size": 0}, "input_size is 0"),
        ({"steps": -1}, "steps is -1"),
        ({"hidden": range(1, 2000), "layers": range(1, 1000)}, "at most 1,000,000"),
    ],
)
def test_what_is_no_space_is_one_line(wrong: Any, told: str) -> None:
    with pytest.raises(ModelError, match=re.escape(told)) as raised:
        Space(**wrong)
    assert "\n" not in str(raised.value)


def test_what_is_not_said_is_asked_for() -> None:
    with pytest.raises(ModelError, match="precision of the space is not said"):
        Space().candidates()
    with pytest.raises(ModelError, match="steps of the space are not said"):
        Space().task()
