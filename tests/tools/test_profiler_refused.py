"""edgelstm profile: options, files and devices that cannot be used."""

import json
import pathlib
import subprocess
import sys

import pytest

from edgelstm.errors import ModelError
from edgelstm.tools.profile_request import Options, Shape
from edgelstm.tools.profiler import main


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (Options(shape=Shape("lstn", 4, 5)), "cell 'lstn' is unknown"),
        (Options(shape=Shape("lstm", 0, 5)), "input is 0"),
        (Options(shape=Shape("lstm", 4, -5)), "hidden is -5"),
        (Options(shape=Shape("lstm", 4)), "--hidden missing"),
        (Options(shape=Shape(hidden=4)), "--cell, --input missing"),
        (Options(shape=Shape("lstm", 4, 5), models=(pathlib.Path("x"),)), "do not go with sizes"),
        (Options(models=(pathlib.Path("x"),) * 3), "at most 2"),
        (Options(models=(pathlib.Path("nothing.onnx"),)), "does not exist"),
        (Options(precision="int4"), "precision 'int4' is unknown"),
        (Options(steps=0), "steps is 0"),
        (Options(csv=True), "give one of them"),
    ],
)
def test_unusable_options_are_named(options: Options, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        main(options, as_json=options.csv, quiet=True)


DEVICE = """name = "mine"
kind = "mcu"
core = "cortex-m4"
[clock]
mhz = { low = 80, typical = 80, high = 80, basis = "datasheet", source = "its front page" }
[power]
"""
FIGURE = '{{ low = {}, typical = 11, high = 12, basis = "measured"{} }}\n'
SOURCE = ', source = "a meter"'


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("active_w = " + FIGURE.format(10, SOURCE), "mine.toml: power.active_w is unknown"),
        ("active_mw = " + FIGURE.format(10, ""), "mine.toml: power.active_mw: source missing"),
        ("active_mw = " + FIGURE.format('"low"', SOURCE), "mine.toml: power.active_mw: low is 'lo"),
        ("active_mw = " + FIGURE.format(14, SOURCE), "mine.toml: power.active_mw: low 14.0 is ab"),
        ("active_mw = 11\n", "mine.toml: power.active_mw is 11"),
    ],
)
def test_a_device_file_that_is_wrong_is_one_line_with_file_and_key(
    line: str, said: str, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(DEVICE + line)
    command = [sys.executable, "-m", "edgelstm", "profile", "--device", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"error: {said}")


def test_a_device_of_ones_own_names_the_missing_figure(
    capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(DEVICE)
    main(Options(devices=(str(path),)), as_json=True, quiet=False)
    found = json.loads(capsys.readouterr().out)
    assert found["energy_reason"] == "mine: speed.cycles_per_mac_int8 not known"
