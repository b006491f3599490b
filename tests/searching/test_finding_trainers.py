"""A trainer is found by its name, or one line says why not."""

import pathlib

import pytest

from edgelstm.errors import ModelError
from edgelstm.searching.working import find_trainer

ENDS = (
    ("raise SystemExit(3)", "it ends with SystemExit 3"),
    ("import sys; sys.exit('no\\nGPU')", "it ends with SystemExit no"),
    ("raise KeyboardInterrupt", "it ends with KeyboardInterrupt"),
    ("1 / 0", "division by zero"),
)


@pytest.fixture
def module(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "ending_trainer.py"


@pytest.mark.parametrize(("code", "reason"), ENDS)
def test_a_module_that_ends_as_it_is_imported_is_refused_in_a_line(
    module: pathlib.Path, code: str, reason: str
) -> None:
    module.write_text(code)
    with pytest.raises(ModelError, match=f"'ending_trainer:f' cannot be imported: {reason}") as e:
        find_trainer("ending_trainer:f")
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("code", [130, 143])
def test_a_signal_while_a_trainer_is_imported_ends_the_command(
    module: pathlib.Path, code: int
) -> None:
    module.write_text(f"raise SystemExit({code})")
    with pytest.raises(SystemExit):
        find_trainer("ending_trainer:f")
