"""The kernels on emulated Raspberry Pis: numba there chooses, compiles and runs as on the board."""

import importlib.metadata
import json
import os
import pathlib
import subprocess
from collections.abc import Iterator

import numpy as np
import pytest

from benchmarks import bench_instructions, counted_peers
from tests import aarch64

FOLDER = os.environ.get(aarch64.VARIABLE)
HOW = "apt-get install qemu-user; python -m tests.aarch64 FOLDER; set EDGELSTM_AARCH64=FOLDER"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FOLDER, reason=f"needs an emulated aarch64 Python: {HOW}"),
]
Children = dict[str, subprocess.Popen[str]]
# Products of bytes differ between the boards, vectors do not; each format takes minutes to compile.
FORMATS = {"rpi-4b": ("int8", "hybrid"), "rpi-5": ("int8", "composed", "float32")}


@pytest.fixture(scope="module")
def children() -> Iterator[Children]:
    """Side by side, as each compiles for a minute."""
    folder = pathlib.Path(FOLDER or "").resolve()
    started = {
        board: subprocess.Popen(
            [*aarch64.command(folder, board), "-m", "tests.kernel_target", *FORMATS[board]],
            env=aarch64.settings(folder),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for board in aarch64.BOARDS
    }
    yield started
    for child in started.values():
        child.kill()


@pytest.mark.parametrize("board, dot4", [("rpi-4b", "smull"), ("rpi-5", "sdot")])
def test_raspberry_pis_give_the_oracles_bits(children: Children, board: str, dot4: str) -> None:
    out, err = children[board].communicate()
    assert children[board].returncode == 0, err[-2000:]
    found = json.loads(out)
    assert (found["cpu"], found["lanes"]) == (aarch64.BOARDS[board].processor, 4)
    assert (found["dot4"], found["mismatches"]) == (dot4, 0)
    assert found.keys() > set(FORMATS[board]) - {"int8"}
    assert found.get("composed", 0) == 0
    assert found.get("float32", 0) < 1e-6
    assert found.get("float32 heads", 0) < 5e-6  # sums of up to 40 products; outputs reach 7
    # A value on an edge may round either way; a head's output reaches 7.
    assert found.get("hybrid", 0) < 2e-2 and found.get("hybrid heads", 0) < 1e-1


# Instructions a step of the bundled network, 29 steps in one plain call, counted apart from this
# program: with other versions of the wheels the figures are others.
VERSIONS = {"onnxruntime": "1.32.0", "ai-edge-litert": "2.3.0"}
COUNTED = {
    ("onnxruntime", "float32"): {"cortex-a72": 12_871, "cortex-a76": 12_845},
    ("litert", "hybrid"): {"cortex-a72": 27_347, "cortex-a76": 27_387},
    ("litert", "int8"): {"cortex-a72": 47_268, "cortex-a76": 47_250},
    ("litert", "float32"): {"cortex-a72": 28_139, "cortex-a76": 28_145},
}


def test_peers_take_the_instructions_that_were_counted_before_and_give_this_machines_values(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for package, version in VERSIONS.items():
        if importlib.metadata.version(package) != version:
            pytest.skip(f"{package} {version} was counted")
    found = bench_instructions.peers(["bundled"], ["onnxruntime", "litert"])
    assert capsys.readouterr().out == ""  # nothing is skipped, no value is wrong
    for (engine, precision), expected in COUNTED.items():
        for processor, counts in found.items():
            (calls,) = [
                values / job.steps
                for job, values in counts.items()
                if (job.engine, job.precision, job.form) == (engine, precision, counted_peers.PLAIN)
            ]
            assert np.median(calls) == pytest.approx(expected[processor], rel=0.02), (engine, calls)
