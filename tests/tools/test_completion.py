"""What a shell completes, asked as bash asks."""

import os
import subprocess
import sys

import pytest

from edgelstm.cells import CELLS
from edgelstm.devices.device import device_names
from tests.test_light import HEAVY

HEAVY_HERE = [name for name in HEAVY if name not in ("typer", "rich")]  # who ask

LINES = {
    "export --device ": device_names(),
    "export --device stm32u3": ["stm32u385"],
    "profile --device rpi-5 --device rpi-z": ["rpi-zero-2w"],
    "devices nrf54": ["nrf54l15"],
    "export --precision ": ["float32", "int8", "int16x8", "hybrid"],
    "profile --precision h": ["hybrid"],
    "profile --cell ": list(CELLS),
    "profile --kernels tflm": ["tflm", "tflm-unrolled"],
    "export --kernels cms": ["cmsis-nn"],
    "export --formats ": ["npz", "onnx", "tflite", "c", "tflite-c"],
    "export --formats onnx,t": ["onnx,tflite", "onnx,tflite-c"],
    "export --target tfl": ["tflm", "tflite-runtime"],
    "profile --sleep ": ["deep", "clocks-on"],
    "profile --battery ": ["cr2032"],
}


def asked(line: str, code: str = "") -> list[str]:
    """What the command prints when bash completes the last word of a line."""
    run = f"import sys; sys.argv = ['edgelstm']\nfrom edgelstm.tools import cli\n{code}cli.main()"
    words = f"edgelstm {line}"
    variables = {"_EDGELSTM_COMPLETE": "complete_bash", "COMP_WORDS": words}
    variables["COMP_CWORD"] = str(len(words.split(" ")) - 1)
    done = subprocess.run(
        [sys.executable, "-c", run],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
    )
    assert not done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("line", LINES)
def test_shells_complete_names(line: str) -> None:
    assert asked(line) == LINES[line]


def test_completing_loads_nothing_heavy() -> None:
    loaded = f"print([m for m in {HEAVY_HERE} if m in sys.modules])"
    told = f"import atexit\natexit.register(lambda: {loaded})\n"
    assert asked("profile --device rpi-5", told) == ["rpi-5", "[]"]


def test_the_command_line_loads_no_names_before_they_are_asked_for() -> None:
    code = "import sys, edgelstm.tools.cli; print([m for m in sys.modules if m == 'numpy'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
