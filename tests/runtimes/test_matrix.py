"""Integers of every cell in every runtime, form of time and head: no value differs.

`EDGELSTM_MATRIX=all pytest tests/runtimes/test_matrix.py -s` tries all, not sixteen alone, and
prints how many values each runtime gave.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgelstm.execution import fused
from edgelstm.execution.session import run
from edgelstm.formats import facts, write
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.runtimes import RUNTIMES
from edgelstm.runtimes.isolation import run_child
from edgelstm.verification.sampling import random_sequences
from edgelstm.verification.verifier import expected_outputs, verify
from tests.matrix import CHOICES, PLAIN, STEPS, Case, cases, is_possible, label, network_of
from tests.present import skip_without

CASES = {label(case): case for case in cases()}
QUICK, SLOW = 4, 16  # of them run without `slow`, and with it
TRIED = len(CASES) if os.environ.get("EDGELSTM_MATRIX") == "all" else SLOW
MARKED = [
    pytest.param(case, id=name, marks=[] if k < QUICK else [pytest.mark.slow])
    for k, (name, case) in enumerate([*CASES.items()][:TRIED])
]
SEQUENCES = 60
# LiteRT's kernels, as its resolvers call them, beside the default ones.
KERNEL_SETS = ("BUILTIN_REF", "BUILTIN_WITHOUT_DEFAULT_DELEGATES")


@pytest.fixture(scope="module")
def networks() -> dict[str, QuantizedNetwork]:
    """Each made once, for all tests of its case."""
    return {}


@pytest.fixture
def network(case: Case, networks: dict[str, QuantizedNetwork]) -> QuantizedNetwork:
    return networks.setdefault(label(case), network_of(case))


def written(case: Case, network: QuantizedNetwork, suffix: str, folder: Path) -> Path:
    streaming = {"whole": False, "inside": True, "io": "io" if suffix == ".tflite" else True}
    return write(network, folder / f"net{suffix}", steps=None, streaming=streaming[case["time"]])


@pytest.mark.parametrize("case", MARKED)
@pytest.mark.parametrize("suffix", [".tflite", ".onnx"])
def test_no_value_differs(
    suffix: str, case: Case, network: QuantizedNetwork, tmp_path: Path
) -> None:
    path = written(case, network, suffix, tmp_path)
    found = verify(path, network, n_sequences=SEQUENCES).verified
    refused = facts(path).refused_by
    for result in found:
        print(f"{result.runtime}: {result.values:,} values")
        absent = result.runtime in refused or RUNTIMES[result.runtime].obstacle
        assert (result.status, result.mismatches) == (("skipped", None) if absent else ("ok", 0))


@pytest.mark.parametrize("case", MARKED)
@pytest.mark.parametrize("kernels", KERNEL_SETS)
def test_other_kernels_of_litert_give_the_same(
    kernels: str, case: Case, network: QuantizedNetwork, tmp_path: Path
) -> None:
    skip_without("litert")
    path, x = written(case, network, ".tflite", tmp_path), random_sequences(network, 10, STEPS)
    streaming = facts(path).streaming
    opener = f"{RUNTIMES['litert'].opener}:{kernels}"
    job = "step" if streaming else "run"
    done = run_child([job, str(path), opener], {"sequences": x}, timeout_s=120)
    assert done.outputs is not None, done.reason
    expected = expected_outputs(network, x, "litert", every_step=streaming)
    assert np.array_equal(done.outputs, expected)


@pytest.mark.parametrize("case", MARKED)
def test_kernels_and_the_program_give_the_oracles_bits(
    case: Case, network: QuantizedNetwork, monkeypatch: Any
) -> None:
    x = random_sequences(network, 4, STEPS)
    expected = run(network, x, engine="reference")
    assert np.array_equal(run(network, x), expected)
    monkeypatch.setattr(fused, "_pack", lambda layer: None)
    assert np.array_equal(run(network_of(case), x), expected)


def test_each_two_choices_meet() -> None:
    got = {(name, value) for case in CASES.values() for name, value in case.items()}
    assert got == {(name, value) for name, of in CHOICES.items() for value in of}
    together = {
        (a, case[a], b, case[b]) for case in CASES.values() for a in CHOICES for b in CHOICES
    }
    for a, of_a in CHOICES.items():
        for b in [name for name in CHOICES if name != a]:
            for first in of_a:
                for second in CHOICES[b]:
                    possible = is_possible(PLAIN | {a: first, b: second})
                    assert ((a, first, b, second) in together) == possible
