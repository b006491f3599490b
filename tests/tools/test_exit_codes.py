"""Exit codes of what was computed and does not hold: a period, a check of nothing, files."""

import json
import pathlib

import pytest

from edgelstm.formats import write
from edgelstm.quantization.quantizer import quantize
from edgelstm.tools import verify as command
from edgelstm.verification.results import Verification, Verified
from tests.networks import random_input, random_network
from tests.tools.test_cli import run

Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize(("period_ms", "code"), [("0.05", 1), ("1000", 0)])
def test_a_step_that_does_not_keep_up_is_exit_1(
    period_ms: str, code: int, capsys: Captured
) -> None:
    asked = ("--cell", "lstm", "--input", "12", "--hidden", "48", "--period-ms", period_ms)
    assert run("profile", *asked, "--json") == code
    printed = capsys.readouterr()
    assert json.loads(printed.out)["duty"]["keeps_up"] is (code == 0)
    assert ("does not keep up on stm32u575: 0.05 ms" in printed.err) == (code == 1)


@pytest.fixture
def written(tmp_path: pathlib.Path) -> pathlib.Path:
    network = random_network("lstm", (4, 5))
    return write(quantize(network, random_input(network, 2, 5)), tmp_path / "net.tflite")


def test_a_check_that_compared_nothing_is_exit_1(
    written: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    skipped = Verified(str(written), "tflm", "skipped", "not installed", 0, None, None, 0)
    monkeypatch.setattr(command, "verify", lambda path, **options: Verification((skipped,)))
    assert run("verify", written, "--quiet") == 1
    assert "failed: no value was checked: `edgelstm doctor`" in capsys.readouterr().err


def test_all_files_are_looked_at_before_one_is_run(
    written: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    damaged = written.with_name("damaged.tflite")
    damaged.write_bytes(written.read_bytes()[:300])
    monkeypatch.setattr(command, "verify", lambda path, **options: pytest.fail("was run"))
    missing = written.with_name("missing.onnx")
    assert run("verify", written, damaged, missing) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = [x for x in printed.err.splitlines() if x.startswith("error: ")]
    assert "damaged.tflite: " in line
    assert f"{missing} does not exist" in line
