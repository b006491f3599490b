"""What users wait for: nothing before a wrong option is named, and a word while it takes long."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgelstm.bundled import demo, demo_data
from edgelstm.execution.backends import compile_kernels
from edgelstm.formats import facts, read, write
from edgelstm.quantization.quantizer import quantize
from edgelstm.tools import output, request
from edgelstm.tools.inputs import read_sequences
from edgelstm.verification import fidelity
from edgelstm.verification.fidelity import accuracy, measure_fidelity
from tests.networks import random_input, random_network
from tests.tools.test_cli import Captured, run


def nothing_is_read(*given: Any) -> Any:
    raise AssertionError(f"read {given}")


WRONG = {
    "export net.pt --device stm32": "device 'stm32' is unknown",
    "export net.pt --device gap9-065v": "listed for comparison only",
    "export net.pt --target tflm2": "target 'tflm2' is unknown; known: onnxruntime, tflm",
    "export net.pt --formats tflite,h5": "files of type '.h5' are not written",
    "export net.pt --precision int4": "precision 'int4' is unknown; known: float32, int8, "
    "int16x8, hybrid",
    "export net.pt --steps 0": "--steps is 0; it must be from 1 to 100,000",
    "export net.pt --steps 5 --streaming": "--steps is 5; it must be 1, or left out",
    "export net.pt --head first": "head is 'first'; last or each is needed",
    "profile net.pt --head first": "head is 'first'; last or each is needed",
    "profile net.pt --device stm32": "device 'stm32' is unknown",
    "profile net.pt --precision int4": "precision 'int4' is unknown",
    "profile net.pt --steps 0": "--steps is 0; a whole number of at least 1 is needed",
    "profile net.pt --kernels fast": "kernels 'fast' is unknown; known: tflm",
    "profile net.pt --clock-mhz 0": "runs at up to 160 MHz, not 0.0 MHz",
    "profile net.pt --cores 0": "cores is 0",
    "profile net.pt --device rpi-5 --device stm32u575 --cores 4": "cores is 4",
    "profile net.pt --period-ms 0": "--period-ms is 0.0; a number above 0 is needed",
    "profile net.pt --period-ms 9 --sleep light": "sleep 'light' is unknown",
    "profile net.pt --period-ms 9 --battery aa": "battery is 'aa'",
    "profile net.pt --battery cr2032": "need --period-ms",
}


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_option_is_named_before_anything_is_read(
    line: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request, "read", nothing_is_read)
    assert run(*line.split()) == 2
    assert WRONG[line] in capsys.readouterr().err


FRESH = """
import sys
from edgelstm.execution.backends import compile_kernels
from edgelstm.tools import cli
sys.argv = ["edgelstm", "export", "--formats", "tflite", "--quiet"]
print(cli._run(), "numba" in sys.modules)
"""


def test_the_first_export_compiles_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    done = subprocess.run(
        [sys.executable, "-c", FRESH],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path.cwd()), "NUMBA_CACHE_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["0", "False"] and not folder.exists()


def test_the_engine_that_measures_depends_on_sizes_alone() -> None:
    network = random_network("lstm", (12, 32), outputs=9)
    for shape, expected in (((370, 29), "reference"), ((1, 5_000), "reference")):
        assert fidelity.soonest(network, np.zeros((*shape, 12))) == expected
        assert not fidelity.kernels(network, [np.zeros((*shape, 12))])
    for shape in ((1, 50_000), (20_000, 29)):
        x = np.broadcast_to(np.float32(0), (*shape, 12))
        assert fidelity.soonest(network, x) is None
        names = {kernel.name.split("_lstm")[0] for kernel in fidelity.kernels(network, [x])}
        assert names & {"sequence", "batch"} and any(
            n.startswith("rows_dense_float32") for n in names
        )


def test_both_engines_measure_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    network, data = demo(), demo_data()
    quantized = quantize(network, data.calibration)
    x, labels = data.test_inputs, data.test_labels
    expected = measure_fidelity(network, quantized, x), accuracy(quantized, [x], labels)
    monkeypatch.setattr(fidelity, "SOON_VALUES", 0)
    got = measure_fidelity(network, quantized, x), accuracy(quantized, [x], labels)
    assert got[1] == expected[1]
    # The noise is the same integers'; the signal differs by a float32 rounding of the result.
    assert got[0].snr_db == pytest.approx(expected[0].snr_db, abs=1e-3)


class Slow:
    """Stands for a kernel: compiled once its function was asked for."""

    def __init__(self, name: str, *, is_compiled: bool) -> None:
        self.name, self.is_compiled = name, is_compiled

    @property
    def function(self) -> object:
        self.is_compiled = True
        return self


def test_what_is_compiled_is_counted() -> None:
    told: list[str] = []
    a, b, c = (Slow(name, is_compiled=name == "b") for name in "abc")
    compile_kernels([a, b, a, c], told.append)
    words = "compiling kernels for this processor, once"
    assert told == [f"{words}: 1 of 2", f"{words}: 2 of 2"]
    assert a.is_compiled and c.is_compiled


def test_what_takes_long_says_how_far_it_is_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    now = iter([0.0, 1.0, 2.5, 2.5, 3.0, 9.0, 9.0])
    monkeypatch.setattr("edgelstm.tools.output.time.monotonic", lambda: next(now))
    tell = output.percent(told.append, "quantizing")
    for done in (1, 2, 3, 4):
        tell(done, 8)
    assert told == ["quantizing: 25 %", "quantizing: 50 %"]


@pytest.mark.slow
def test_a_long_recording_is_measured_in_part_and_gives_no_endless_file(tmp_path: Path) -> None:
    network = random_network("lstm", (2, 4))
    write(network, tmp_path / "net.npz")
    rows = random_input(network, 1, 5_001)[0]
    np.savetxt(tmp_path / "long.csv", rows, delimiter=",")
    words = ["--calibration", tmp_path / "long.csv", "--formats", "tflite", "-o", tmp_path]
    assert run("export", tmp_path / "net.npz", "--quiet", *words) == 0
    report = json.loads((tmp_path / "net_int8_report.json").read_text())
    assert report["steps"] == 100 == facts(tmp_path / "net_int8.tflite").steps
    assert report["skipped"] == [
        "steps: a call takes 100, not the 5,001 of the longest calibration sequence; "
        "--steps says how many",
        "signal to noise is that of the first 5,000 of 5,001 steps",
    ]
    first = measure_fidelity(network, read_int8(tmp_path), rows[None, :5_000]).snr_db
    assert report["accuracy"]["snr_db"] == pytest.approx(first)
    assert run("export", tmp_path / "net.npz", "--steps", "33", "--quiet", *words) == 0
    assert facts(tmp_path / "net_int8.tflite").steps == 33


def read_int8(folder: Path) -> Any:
    return read(folder / "net_int8.tflite")


@pytest.mark.slow
def test_calibration_of_50_000_rows_takes_seconds(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    np.savetxt(path, random_input(demo(), 1, 50_000)[0], "%.3f", ",")
    start = time.process_time()
    (rows,) = read_sequences(path, 12)
    quantize(demo(), rows)
    # 4 s on one core of a server; 11 s when each value of each step was looked at.
    assert time.process_time() - start < 20
