"""verify and compare: what differs is counted, what cannot run is said."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgelstm.errors import ModelError
from edgelstm.execution.session import run
from edgelstm.formats import read, write
from edgelstm.layers.dense import Dense
from edgelstm.layers.read_steps import reading
from edgelstm.model.forward import forward
from edgelstm.model.network import Network
from edgelstm.quantization.quantizer import quantize
from edgelstm.runtimes.isolation import Execution
from edgelstm.verification import sampling, verifier
from edgelstm.verification.fidelity import accuracy, measure_fidelity, snr_db
from edgelstm.verification.results import Verification, Verified
from edgelstm.verification.sampling import affordable_sequences, random_sequences
from edgelstm.verification.verifier import SERVES, compared, verify
from tests.networks import random_input, random_network
from tests.present import expected_status

NETWORK = random_network("lstm", (5, 12), outputs=4, activation="softmax", last_step=True)
INPUT = random_input(NETWORK, 20, 15)


def at(precision: str) -> Any:
    return NETWORK if precision == "float32" else quantize(NETWORK, INPUT, precision)


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streaming"])
@pytest.mark.parametrize(("suffix", "precision"), SERVES, ids="-".join)
def test_every_format_and_precision_verifies_from_the_file_alone(
    suffix: str, precision: str, streaming: bool, tmp_path: Path
) -> None:
    path = write(at(precision), tmp_path / f"net{suffix}", streaming=streaming)
    verified = verify(path, n_sequences=8, steps=15 if streaming else None).verified
    assert [v.runtime for v in verified] == list(SERVES[suffix, precision])
    for v in verified:
        assert v.status == expected_status(v.runtime), v.reason
        if v.status == "ok":
            assert v.values >= 8 * 4 and v.mismatches == 0


def test_a_changed_weight_is_found(tmp_path: Path) -> None:
    path = write(quantize(NETWORK, INPUT), tmp_path / "net.tflite")
    other: Any = read(path)
    head = other.layers[-1]
    weight = head.weight.copy()
    weight[0, 0] += 1 if weight[0, 0] < 127 else -1
    layers = (*other.layers[:-1], dataclasses.replace(head, weight=weight))
    changed = dataclasses.replace(other, layers=layers)
    verification_ = verify(path, changed)
    assert not verification_.passed
    ran = [v for v in verification_.verified if v.status != "skipped"]
    assert all(v.status == "differs" and v.mismatches for v in ran)


def test_a_runtime_that_crashes_is_a_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "edgelstm.runtimes.isolation.execute",
        lambda *a, **k: Execution("crashed", "died by SIGSEGV"),
    )
    done = verify(write(quantize(NETWORK, INPUT), tmp_path / "net.tflite"))
    assert {v.status for v in done.verified} == {"crashed"}
    assert done.verified[0].mismatches is None and not done.passed


RAN = Verified("net.tflite", "litert", "ok", None, 40, 0, 0.0, 0.0)
ABSENT = Verified("net.tflite", "tflm", "skipped", "not installed", 0, None, None, 0.0)
DIFFERENT = dataclasses.replace(RAN, status="differs", reason="1 of 40 values differs")


@pytest.mark.parametrize(
    ("verified", "expected"),
    [
        ((), False),
        ((ABSENT,), False),
        ((ABSENT, RAN), True),
        ((RAN, DIFFERENT), False),
        ((RAN, dataclasses.replace(ABSENT, status="refused")), False),
    ],
)
def test_what_compared_no_value_has_not_passed(
    verified: tuple[Verified, ...], expected: bool
) -> None:
    assert Verification(verified).passed is expected


def test_nan_and_wrong_shapes_are_mismatches() -> None:
    expected = np.zeros((2, 3))
    nan = np.array([[0, np.nan, 0], [0, 0, 0]])
    got = compared("f", "r", (expected, nan), NETWORK)
    assert (got.status, got.mismatches, got.max_difference) == ("differs", 1, None)
    assert got.reason == "1 of 6 values differ, 1 of them not finite"
    assert compared("f", "r", (expected, np.zeros((2, 4))), NETWORK).status == "differs"


def test_tolerances_are_zero_for_integers_and_relative_for_reals() -> None:
    expected = np.full((2, 3), 4.0)
    near = expected + 3e-5
    assert compared("f", "r", (expected, near), NETWORK).status == "ok"
    assert compared("f", "r", (expected, expected + 5e-5), NETWORK).mismatches == 6
    int8 = quantize(NETWORK, INPUT)
    assert compared("f", "r", (expected, expected + 1), int8).mismatches == 6


def test_random_sequences_reach_far_outside_the_calibrated_range() -> None:
    int8 = quantize(NETWORK, INPUT)
    x = random_sequences(int8, 40, 30)
    assert x.dtype == np.int8 and x.shape == (40, 30, 5)
    assert np.isin(x[20:], (-128, 127)).mean() > 0.4
    assert np.abs(random_sequences(NETWORK, 40, 30)).max() > 20


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"n_sequences": 0}, "sequences is 0"),
        ({"steps": 3}, "steps is 3; 15 is needed"),
        ({"n_sequences": 10**7}, "10,000,000 sequences of 15 steps .* take fewer"),
        ({"n_sequences": 10**5000}, "sequences is above 16,777,216"),
        ({"steps": 10**7}, "steps is above 100,000"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    options: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    path = write(quantize(NETWORK, INPUT), tmp_path / "net.tflite")
    with pytest.raises(ModelError, match=expected):
        verify(path, **options)


def test_options_are_bounded_before_anything_is_allocated(tmp_path: Path) -> None:
    path = write(quantize(NETWORK, INPUT), tmp_path / "net.tflite", streaming=True)
    with pytest.raises(ModelError, match="10,000,000 sequences of 100,000 steps pass"):
        verify(path, n_sequences=10**7, steps=10**5)


@pytest.mark.parametrize(("steps", "expected"), [(15, 128), (8192, 128), (9000, 116), (10**5, 10)])
def test_long_files_are_checked_with_fewer_sequences(
    steps: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "AFFORDABLE_MACS", 10**12)
    assert affordable_sequences(NETWORK, steps) == expected


def test_a_file_of_more_work_than_is_done_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (sampling, verifier):
        monkeypatch.setattr(module, "MOST_VALUES", 15 * 12 - 1)  # of one sequence in the lstm
    path = write(quantize(NETWORK, INPUT), tmp_path / "net.tflite")
    done = verify(path)
    assert {v.status for v in done.verified} == {"skipped"} and not done.passed
    assert "1 sequence of 15 steps pass 180 values" in str(done.verified[0].reason)


def test_a_format_without_runtime_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no runtime runs"):
        verify(write(NETWORK, tmp_path / "net.npz"))


def test_compare_gives_the_snr_of_the_result_and_of_each_layer() -> None:
    int8 = quantize(NETWORK, INPUT)
    head = NETWORK.layers[-1]
    assert isinstance(head, Dense)
    logits = Network(
        reading((*NETWORK.layers[:-1], dataclasses.replace(head, activation=None)), last_step=True)
    )
    expected = snr_db(forward(logits, INPUT), run(int8, INPUT))
    got = measure_fidelity(NETWORK, int8, INPUT)
    assert got.snr_db is not None and expected is not None
    assert abs(got.snr_db - expected) < 0.01  # float32 and float64 originals
    assert list(got.layer_snr_db) == ["lstm1", "dense1"]
    lstm = Network(reading(NETWORK.layers[:1], last_step=True))
    first = snr_db(forward(lstm, INPUT), run(quantize(lstm, INPUT), INPUT))
    assert first is not None and abs(got.layer_snr_db["lstm1"] - first) < 0.01  # type: ignore[operator]


def test_snr_is_none_for_equal_arrays_and_known_for_a_known_error() -> None:
    y = np.array([3.0, -4.0])
    assert snr_db(y, y) is None
    assert snr_db(y, y + 0.5) == pytest.approx(10 * np.log10(25 / 0.5))


def test_accuracy_counts_the_largest_result() -> None:
    best = forward(NETWORK, INPUT).argmax(1)
    assert accuracy(NETWORK, [INPUT[:5], INPUT[5:]], best) == 1.0
    wrong = np.where(np.arange(20) < 5, (best + 1) % 4, best)
    assert accuracy(NETWORK, [INPUT], wrong) == 0.75


def test_accuracy_of_one_output_splits_in_the_middle() -> None:
    network = random_network("lstm", (5, 12), outputs=1, activation="sigmoid", last_step=True)
    labels = (forward(network, INPUT)[:, 0] > 0.5).astype(int)
    assert accuracy(network, [INPUT], labels) == 1.0


@pytest.mark.parametrize(
    "labels", [np.zeros(3, int), np.zeros(20), np.full(20, 4), -np.ones(20, int)]
)
def test_labels_that_do_not_fit_are_refused(labels: Any) -> None:
    with pytest.raises(ModelError, match="label"):
        accuracy(NETWORK, [INPUT], labels)


def test_every_runtime_has_an_oracle() -> None:
    from edgelstm.runtimes import RUNTIMES

    assert set(verifier.ORACLES) == set(RUNTIMES)
