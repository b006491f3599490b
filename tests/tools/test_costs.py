"""One network, asked by `export`, `profile` and the report: the same answers, or the reason."""

import itertools
import json
import pathlib
from typing import Any

import pytest

from edgelstm.cells import CELLS
from edgelstm.comparison import costs, measuring
from edgelstm.comparison.measuring import Accuracy
from edgelstm.devices.device import read_device
from edgelstm.devices.device_file import device_text
from edgelstm.errors import ModelError
from edgelstm.formats import encode, has_file, read, write
from edgelstm.model.network import Network
from edgelstm.quantization.quantizer import quantize
from edgelstm.tools import export
from edgelstm.tools.profile_request import Options, Shape
from edgelstm.tools.profiler import main as profile
from tests.measurement.test_calibrating import calibrated
from tests.networks import bidirectional_network, random_input, random_network
from tests.tools.test_cli import run

DEVICES = ("stm32u575", "stm32l4r5", "nrf52840", "esp8266", "rp2040", "rpi-3b-plus")
SHAPES = {
    "lstm": Shape("lstm", 12, 16),
    "stack": Shape("lstm", 8, 10, layers=2, outputs=4),
    "gru": Shape("gru", 12, 16, outputs=3),
    "reset before": Shape("gru_reset_before", 6, 9),
}
COMMON = ("latency_us", "energy_uj", "energy_net_uj", "latency_reason", "kernels")


def made(name: str) -> Network:
    if name == "bidirectional":
        return bidirectional_network("lstm", (9, 8), outputs=3, last_step=True)
    shape = SHAPES.get(name) or Shape(name, 12, 16)
    assert shape.cell and shape.input and shape.hidden
    sizes = (shape.input, *([shape.hidden] * (shape.layers or 1)))
    outputs = shape.outputs or 0
    return random_network(shape.cell, sizes, outputs=outputs, last_step=bool(outputs))


def profiled(capsys: pytest.CaptureFixture[str], **options: Any) -> Any:
    profile(Options(**options), as_json=True, quiet=True)
    return json.loads(capsys.readouterr().out)


def answers(report: Any) -> dict[str, Any]:
    return {"ram_bytes": report["fit"]["ram_bytes"], **{key: report[key] for key in COMMON}}


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports without running the files: what they compute is checked elsewhere."""
    monkeypatch.setattr(export, "verified", lambda network, paths, tell: ())
    monkeypatch.setattr(measuring, "measure", lambda *given: Accuracy("none"))
    monkeypatch.setattr(export, "measured_arena", lambda paths, tell: None)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", [*SHAPES, "bidirectional"])
def test_one_network_has_one_answer(
    name: str, device: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(made(name), tmp_path / "net.npz")
    code = run("export", path, "--device", device, "-o", tmp_path, "--json", "--quiet")
    exported = json.loads(capsys.readouterr().out)
    expected = answers({"fit": exported["fit"], **exported["per_step"]})
    stored = json.loads((tmp_path / f"net_{exported['precision']}_report.json").read_text())
    assert stored == exported
    precision = exported["precision"]
    paths = [pathlib.Path(a["path"]) for a in exported["artifacts"]]
    runs = costs.written_for(read(path), precision, read_device(device))
    files = [file for file in paths if file.suffix in runs]
    assert code == 0 and files
    asked: dict[str, Any] = {"devices": (device,), "precision": precision}
    for file in files:
        assert answers(profiled(capsys, models=(file,), devices=(device,))) == expected
    found = [profiled(capsys, models=(path,), **asked)]
    if name in SHAPES:
        found.append(profiled(capsys, shape=SHAPES[name], **asked))
    for report in found:
        assert answers(report) == expected
        assert report["file_reason"] is None


@pytest.mark.parametrize("cell_name", CELLS)
def test_every_cell_has_a_file_for_a_microcontroller_but_in_hybrid(cell_name: str) -> None:
    network, micro = random_network(cell_name), read_device("stm32u575")
    for precision in ("int8", "int16x8", "float32"):
        assert costs.no_file(network, precision, micro) is None
    told = costs.no_file(network, "hybrid", micro)
    assert told and told.endswith("; works: --precision int8")


@pytest.mark.parametrize("device", ["rpi-4b", "rpi-5"])
def test_advice_of_another_cell_leads_to_no_wall(
    device: str, capsys: pytest.CaptureFixture[str]
) -> None:
    got = profiled(capsys, shape=Shape("lstm", 12, 16), devices=(device,))
    assert "a GRU instead of an LSTM" in {advice["technique"] for advice in got["advice"]}
    assert costs.pays(made("gru"), got["precision"], read_device(device))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("name", "expected"), [("lstm", "hybrid"), ("gru", "hybrid"), ("lstm_coupled", "hybrid")]
)
def test_a_raspberry_pi_gets_what_a_user_should_run_there(
    name: str, expected: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(made(name), tmp_path / "net.npz")
    assert run("export", path, "--device", "rpi-4b", "-o", tmp_path, "--json", "--quiet") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["precision"] == expected
    assert sum(a["bytes"] for a in report["artifacts"]) < 50_000  # without tables of 131 KB each


@pytest.mark.usefixtures("unchecked")
def test_the_exact_int8_onnx_is_for_those_who_ask_for_it(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(made("lstm"), tmp_path / "net.npz")
    asked = ("--device", "rpi-4b", "--precision", "int8", "--json", "--quiet")
    assert run("export", path, "-o", tmp_path, *asked) == 0
    report = json.loads(capsys.readouterr().out)
    assert [a["format"] for a in report["artifacts"]] == ["tflite", "onnx"]


def test_the_steps_of_a_file_are_its_own(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = made("bidirectional")
    quantized = quantize(network, random_input(network, 2, 5))
    path = write(quantized, tmp_path / "net.tflite", steps=30)
    alone = profiled(capsys, models=(path,))
    for steps in (1, 30, 500):
        got = profiled(capsys, models=(path,), steps=steps)
        assert got["fit"]["ram_bytes"] == alone["fit"]["ram_bytes"]
        assert "for 30 steps a call" in got["fit"]["basis"]
    streaming = quantize(made("lstm"), random_input(made("lstm"), 2, 5))
    path = write(streaming, tmp_path / "one.tflite", streaming=True)
    assert costs.call_steps(streaming, path, None) == 1


@pytest.mark.parametrize("cell_name", CELLS)
def test_has_file_says_what_encode_can_write(cell_name: str) -> None:
    network = random_network(cell_name, (4, 5), outputs=2, last_step=True)
    for precision, suffix in itertools.product(("float32", "int8", "hybrid"), (".tflite", ".onnx")):
        try:
            if precision == "float32":
                written = bool(encode(network, suffix))
            else:
                quantized = quantize(network, random_input(network, 2, 5), precision)
                written = bool(encode(quantized, suffix))
        except ModelError:
            written = False
        assert has_file(network, suffix, precision) == written, (precision, suffix)


def test_two_kernels_stand_beside_each_other(
    capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path
) -> None:
    def names(**options: Any) -> list[str]:
        return [row["kernels"] for row in profiled(capsys, **options)["by_kernels"]]

    lstm = SHAPES["lstm"]
    assert names(shape=lstm, devices=("stm32u575",)) == ["tflm", "cmsis-nn", "published"]
    assert names(shape=SHAPES["gru"], devices=("stm32u575",)) == ["tflm-unrolled", "published"]
    assert names(shape=lstm, devices=("rpi-4b",)) == ["interpreter-python", "edgelstm"]
    (tmp_path / "here.toml").write_text(device_text(calibrated()), "utf-8")
    here = str(tmp_path / "here.toml")
    assert names(shape=lstm, devices=(here,)) == ["edgelstm", "interpreter-python"]
    assert names(shape=lstm, devices=("stm32u575",), kernels="portable") == []


@pytest.mark.usefixtures("unchecked")
def test_export_prints_tflm_with_and_without_cmsis_nn(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(made("lstm"), tmp_path / "net.npz")
    assert run("export", path, "-o", tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    table = lines[[line.strip() for line in lines].index("With other kernels") + 2 :]
    kernels = [line.split()[0] for line in table if line[:1].strip() and " us (" in line]
    assert kernels == ["tflm", "cmsis-nn", "published"]


def test_a_device_that_has_no_file_is_asked_for_none() -> None:
    network = made("lstm")
    assert costs.written_for(network, "hybrid", read_device("stm32u575")) == ()
    assert costs.written_for(network, "hybrid", read_device("rpi-5")) == (".tflite", ".onnx")
    assert costs.written_for(network, "int8", read_device("stm32u575")) == (".tflite", "_c")


@pytest.mark.usefixtures("unchecked")
def test_export_estimates_for_the_kernels_that_were_asked_for(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(made("lstm"), tmp_path / "net.npz")
    asked = ("export", path, "-o", tmp_path / "out", "--kernels")
    assert run(*asked, "fast") == 2
    assert "kernels 'fast' is unknown; known: tflm" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert run(*asked, "cmsis-nn", "--json", "--quiet") == 0
    per_step = json.loads(capsys.readouterr().out)["per_step"]
    assert (per_step["kernels"], per_step["by_kernels"]) == ("cmsis-nn", [])
