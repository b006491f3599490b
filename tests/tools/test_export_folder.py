"""`export --formats c`: its fit is that of the image, and the folder holds its own report."""

import json
import pathlib
from typing import Any

import pytest

from edgelstm.comparison.costs import kernels_of
from edgelstm.cost.count_ops import count
from edgelstm.devices.device import read_device
from edgelstm.formats import write
from tests.networks import random_network
from tests.present import skip_without
from tests.tools.test_cli import Captured, run

SOURCE = 'basis = "assumed", source = "a chip of this test"'


@pytest.fixture
def words(tmp_path: pathlib.Path) -> tuple[object, ...]:
    path = write(random_network("lstm", (5, 24), outputs=3), tmp_path / "net.npz")
    return ("export", path, "--formats", "c,tflite", "-o", tmp_path / "out", "--json", "--quiet")


def device(place: pathlib.Path, flash_kib: int, core: str = "cortex-m4") -> pathlib.Path:
    path = place / "own.toml"
    figure = "{{ low = {0}, typical = {0}, high = {0}, {1} }}".format
    path.write_text(
        f'name = "own"\nkind = "mcu"\ncore = "{core}"\nclock.mhz = {figure(64, SOURCE)}\n'
        f"memory.flash_kib = {figure(flash_kib, SOURCE)}\n"
        f"memory.sram_kib = {figure(8, SOURCE)}\n"
    )
    return path


def exported(capsys: Captured, *words: object, code: int = 0) -> Any:
    assert run(*words) == code
    return json.loads(capsys.readouterr().out)


def test_fit_is_that_of_the_file_to_use(
    words: tuple[object, ...], tmp_path: pathlib.Path, capsys: Captured
) -> None:
    skip_without("cortex-m4")
    pytest.importorskip("ziglang", reason='pip install "edgelstm[mcu]"')
    got = exported(capsys, *words, "--device", device(tmp_path, 20))
    folder, tflite = got["artifacts"]
    assert (folder["fit"]["fits"], tflite["fit"]["fits"]) == (True, False)
    assert got["use"][0]["artifact"] == folder["path"] and got["failures"] == []
    assert got["fit"] == folder["fit"] and "links for cortex-m4" in got["fit"]["basis"]
    path = pathlib.Path(folder["path"])
    plan, own = (json.loads((path / f"{name}.json").read_text()) for name in ("plan", "report"))
    assert own["fit"] == got["fit"] and own["per_step"] == got["per_step"]
    built = own["built"]
    assert own["fit"]["ram_bytes"] == plan["state_bytes"] + built["stack_bytes"]
    assert built["instructions_per_step"] > 4 * 24 * (5 + 24) / 2 and "zig" in built["compiler"]
    assert [v["runtime"] for v in own["verified"]] == ["host", "cortex-m4"]
    assert str(tmp_path) not in (path / "report.json").read_text()
    again = exported(capsys, *words, "--device", device(tmp_path, 4), code=1)
    (told,) = again["failures"]
    assert told.startswith("does not fit own: ") and told.endswith(" B of flash too much")


def test_a_core_without_a_kernel_of_its_own_gets_the_tflite_file(
    words: tuple[object, ...], tmp_path: pathlib.Path, capsys: Captured
) -> None:
    got = exported(capsys, *words, "--device", device(tmp_path, 100, "xtensa-lx7"))
    folder, tflite = got["artifacts"]
    assert got["use"][0]["artifact"] == tflite["path"] and got["fit"] == tflite["fit"]
    assert "upper bound for the folder of C" in folder["fit"]["basis"]


def test_time_is_that_of_its_own_kernels_where_a_law_is_known() -> None:
    counts = count(random_network("lstm", (5, 24)), precision="int8")
    known = read_device("stm32l4r5")
    assert kernels_of(counts, known, "C") == "edgelstm"
    assert kernels_of(counts, known, "TFLM") is None
