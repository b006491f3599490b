"""A log is one search's at a time, and keeps what succeeded."""

import contextlib
import json
import pathlib
from typing import Any

import pytest

from edgelstm.errors import ModelError
from edgelstm.searching.log import NAME, Log
from edgelstm.searching.results import Found
from edgelstm.searching.searching import search
from edgelstm.searching.space import Candidate
from tests.searching import trainers


def searched(folder: pathlib.Path | None, **more: Any) -> Found:
    name = "tests.searching.trainers:quick"
    return search(
        trainers.SMALL, trainers.data(), budget=3, epochs=1, train=name, folder=folder, **more
    )


def failed(found: Found) -> list[str]:
    return [entry.key for _, entry in found.entries if entry.reason]


def test_what_failed_is_trained_again_by_the_next_search_alone(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, asked = trainers.quick, []

    def broken(candidate: Candidate, *given: Any) -> Any:
        asked.append(candidate.hidden_size)
        return None if candidate.hidden_size == 3 else usual(candidate, *given)

    with monkeypatch.context() as patch:
        patch.setattr(trainers, "quick", broken)
        assert failed(searched(tmp_path)) == ["lstm-3x1"]
        assert sorted(asked) == [2, 3, 4]  # what failed is told once
        assert failed(searched(tmp_path)) == ["lstm-3x1"]
        assert sorted(asked) == [2, 3, 3, 4]
    mended = searched(tmp_path)
    assert (mended.trainings, failed(mended)) == (1, [])
    assert mended.digest == searched(None).digest
    assert searched(tmp_path).trainings == 0


@pytest.mark.parametrize("fresh", [False, True])
def test_a_folder_is_of_one_search_at_a_time(tmp_path: pathlib.Path, fresh: bool) -> None:
    pytest.importorskip("fcntl", reason="no locks on this system")
    searched(tmp_path)
    before = (tmp_path / NAME).read_bytes()
    header = json.loads(before.splitlines()[0])
    with contextlib.closing(Log(tmp_path, header, fresh=False)):
        with pytest.raises(ModelError, match="another search is using .*; wait") as caught:
            searched(tmp_path, fresh=fresh)
        assert "\n" not in str(caught.value)
        assert (tmp_path / NAME).read_bytes() == before
    assert searched(tmp_path).trainings == 0


def test_a_log_that_is_refused_stays_as_it_is(tmp_path: pathlib.Path) -> None:
    (tmp_path / NAME).write_text("[1]\n[2")
    for _ in range(2):  # and is not kept locked
        with pytest.raises(ModelError, match="is not the log of a search"):
            searched(tmp_path)
    assert (tmp_path / NAME).read_text() == "[1]\n[2"
