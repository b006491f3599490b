"""A whole measurement: who is timed, who is not and why, and what is kept of an early end."""

import dataclasses
import json
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import edgelstm
from edgelstm.errors import DeviceError, ModelError
from edgelstm.installed import is_installed
from edgelstm.layers.embedding import Embedding
from edgelstm.layers.read_steps import ReadSteps
from edgelstm.measurement import asking, entrants, measuring, stored
from edgelstm.measurement.asking import Asked
from edgelstm.measurement.engines import ENGINES, Engine
from edgelstm.measurement.results import MOST_MEANS, Run
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork
from tests.networks import bidirectional_network, random_network
from tests.present import skip_without

Plant = Callable[..., None]


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Plant:
    """Puts engines of `tests.broken_runtimes` into the table."""

    def planted(*names: str) -> None:
        place = "tests.broken_runtimes:prepare_"
        found = {name: Engine({"float32": place + name}) for name in names}
        monkeypatch.setattr(entrants, "ENGINES", found)
        monkeypatch.setattr(asking, "check_engines", lambda names: None)

    return planted


def small() -> Any:
    return random_network("lstm", (3, 4), outputs=2, last_step=True)


def quick(network: Any = None, **more: Any) -> Run:
    asked = Asked(**{"seconds": 0.3, "steps": 5, "precisions": ("float32",), **more})
    asking.check(asked)
    return measuring.run(small() if network is None else network, asked, lambda text: None)


def test_rows_are_complete_and_their_json_is_read_back() -> None:
    run = quick(engines=("reference",))
    assert [(r.engine, r.mode) for r in run.results] == [
        ("reference", "step"),
        ("reference", "sequence"),
    ]
    for result in run.results:
        assert result.verdict == "best" and result.ratio_to_best.typical == 1
        assert result.verified.status == "ok" and result.verified.values
        assert result.timing.rounds > 0 and result.timing.p5_us <= result.timing.p95_us
        assert result.ratio_to_reference.computing.low > 0
        assert list(result.files) == ["float32.npz"]
    step, sequence = run.results
    assert step.paced and step.paced.period_ms == 10 and step.jitter
    assert sequence.paced is None and sequence.jitter_reason
    assert run.reference_loops and run.reference_loops.streaming_us > 0
    text = json.dumps(run.to_dict(), allow_nan=False)
    assert stored.read_run(json.loads(text), "x") == run
    assert run._repr_html_().count("<tr>") == 3


KEYS = """
    engine engine_version precision steps mode threads median_us_per_step p5_us p95_us p99_us
    samples cpu_us_per_step batch rounds means_us fast_us verdict ratio_to_best ratio_to_reference
    paced jitter jitter_reason verified predicted_us predicted_call_us predicted_inside
    predicted_reason energy_uj_per_step energy_net_uj_per_step energy_reason power_source rails
    windows
"""
TOP_KEYS = """
    model command version schema seconds seed machine results skipped warnings power
    reference_loops processes interrupted
"""


def test_the_keys_are_those_that_are_promised() -> None:
    found = quick(engines=("reference",)).to_dict()
    assert set(KEYS.split()) <= set(found["results"][0])
    assert set(TOP_KEYS.split()) <= set(found)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["numba", "onnxruntime", "litert", "tflm"])
@pytest.mark.parametrize("precision", ["float32", "hybrid", "int8", "int16x8"])
def test_every_engine_is_timed_once_it_gives_the_right_values(name: str, precision: str) -> None:
    if name != "numba":
        skip_without(name)
    if precision not in ENGINES[name].preparers:
        pytest.skip(f"{name} runs no {precision} network")
    run = quick(engines=(name,), precisions=(precision,), seconds=0.2)
    assert {(r.mode, r.verified.status) for r in run.results} == {
        ("step", "ok"),
        ("sequence", "ok"),
    }
    assert all(r.verified.max_difference == 0 for r in run.results if precision.startswith("int"))


def test_what_differs_or_crashes_or_refuses_is_named_and_not_timed(plant: Plant) -> None:
    plant("right", "wrong", "aborting", "refusing")
    run = quick()
    assert {r.engine for r in run.results} == {"right"}
    got = {(one.engine, one.status) for one in run.skipped}
    assert got == {("wrong", "differs"), ("aborting", "crashed"), ("refusing", "refused")}
    told = {one.engine: one.reason for one in run.skipped}
    assert "kernel.cc:7 smashed" in told["aborting"]
    assert told["refusing"] == "RuntimeError: no such operator"


def test_rounds_are_shared_by_processes_and_each_is_kept_with_its_own() -> None:
    run = quick(engines=("reference",), seconds=6.0)
    n = len(run.processes)
    assert n >= 2 and all(process.rounds > 0 for process in run.processes)
    for result in run.results:
        timing = result.timing
        assert timing.rounds == sum(process.rounds for process in run.processes)
        assert len(timing.fast_us) == len(timing.means_us) == n
        assert sum(map(len, timing.means_us)) == min(timing.rounds, MOST_MEANS)
        assert min(timing.fast_us) <= timing.cpu_us_per_step
    assert run.results[0].paced  # by the last process


def test_a_crash_in_mid_run_leaves_what_was_measured(plant: Plant) -> None:
    plant("right", "aborting_later")
    run = quick(seconds=8.0)
    assert {r.engine for r in run.results} == {"right", "aborting_later"}
    assert len(run.processes) >= 1 and run.processes[0].rounds > 10
    (crashed,) = [one for one in run.skipped if one.status == "crashed"]
    assert "SIGABRT" in crashed.reason and "kernel.cc:9 smashed" in crashed.reason


def test_nothing_that_can_be_measured_is_an_error_that_says_why(plant: Plant) -> None:
    plant("wrong")
    with pytest.raises(ModelError, match="nothing can be measured: wrong: .* differ"):
        quick()


def test_every_step_is_paced_where_a_period_is_given() -> None:
    run = quick(engines=("reference",), precisions=("float32", "hybrid"), period_ms=2.0)
    paced = [r.paced for r in run.results if r.mode == "step"]
    assert [p and p.period_ms for p in paced] == [2.0, 2.0]


def test_a_bidirectional_network_has_sequences_alone() -> None:
    network = bidirectional_network("lstm", (3, 4))
    run = quick(network, engines=("reference",))
    assert [r.mode for r in run.results] == ["sequence"]


def test_a_network_that_reads_a_fixed_number_of_steps_has_sequences_of_them() -> None:
    lstm = random_network("lstm", (3, 4)).layers[0]
    network = Network((lstm, ReadSteps(4, ("flatten",), steps=7)))
    run = quick(network, engines=("reference",))
    assert [(r.mode, r.steps) for r in run.results] == [("sequence", 7)]


def test_input_is_normalised_by_the_network_that_does_so() -> None:
    mean, std = np.array([[4, 5, 6], [2, 2, 3]], np.float32)
    network = dataclasses.replace(small(), input_mean=mean, input_std=std)
    run = quick(network, engines=("reference", "torch"), precisions=("float32", "int8"))
    assert {(r.engine, r.precision) for r in run.results} == {
        ("reference", "float32"),
        ("reference", "int8"),
    }
    told = {one.reason for one in run.skipped if one.engine == "torch"}
    assert any("normalised already" in reason for reason in told) or not is_installed("torch")


def test_indices_are_refused() -> None:
    table = Embedding("embedding1", np.eye(5, 3, dtype=np.float32))
    network = Network((table, *random_network("lstm", (3, 4)).layers))
    with pytest.raises(ModelError, match="takes indices"):
        quick(network)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_the_folder_of_c_is_compiled_called_and_has_the_oracles_bits(cell: str) -> None:
    skip_without("host")
    network = random_network(cell, (3, 4), outputs=2, last_step=True)
    precisions = ("float32", "hybrid", "int8", "int16x8")
    run = quick(network, engines=("c",), precisions=precisions)
    assert {(r.precision, r.mode, r.verified.status) for r in run.results} == {
        (precision, mode, "ok")
        for precision in ("float32", "int8", "int16x8")
        for mode in ("step", "sequence")
    }
    assert all(r.verified.max_difference == 0 for r in run.results if r.precision != "float32")
    assert all(r.engine_version and len(*r.files.values()) == 64 for r in run.results)
    assert [one.reason for one in run.skipped] == ["c runs no hybrid network"]


def test_torch_says_which_layer_it_has_not() -> None:
    network = random_network("mgu", (3, 4))
    assert "torch has no mgu" in str(ENGINES["torch"].refusal(network))
    assert ENGINES["torch"].refusal(small()) is None


def test_predictions_are_those_of_the_device_that_is_named() -> None:
    run = quick(engines=("reference",), device="rpi-5")
    assert run.results[0].predicted.predicted_reason == (
        "the profiler has no law for this engine on a board"
    )
    unknown = quick(engines=("reference",))
    assert "no device file" in str(unknown.results[0].predicted.predicted_reason)


def test_a_quantized_network_has_its_own_precision() -> None:
    x = np.random.default_rng(0).normal(size=(4, 9, 3)).astype(np.float32)
    network = edgelstm.quantize(small(), x)
    assert isinstance(network, QuantizedNetwork)
    run = quick(network, engines=("reference",), precisions=None)
    assert {r.precision for r in run.results} == {"int8"}
    assert {r.verified.mismatches for r in run.results} == {0}
    with pytest.raises(ModelError, match="'float32' is asked for, and the network is int8"):
        quick(network, engines=("reference",))


def test_measure_is_a_public_name_that_takes_plain_arguments() -> None:
    run = edgelstm.measure(small(), engines=["reference"], precisions=["float32"], seconds=0.2)
    assert run.results and run.to_dict()["schema"] == 2
    assert any("random input" in text for text in run.warnings)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"engines": ("x",)}, "engine 'x' is unknown; known: numba, onnxruntime"),
        ({"precisions": ("int3",)}, "known: float32"),
        ({"seconds": 0}, "seconds is 0; a number above 0"),
        ({"seconds": float("nan")}, "seconds is nan"),
        ({"period_ms": -1.0}, "period_ms is -1.0"),
        ({"cpu": 4096}, "cpu is 4096; this process may use"),
        ({"threads": 0}, "threads is 0"),
        ({"steps": 0}, "steps is 0"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_what_cannot_be_is_said_before_anything_runs(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        asking.check(Asked(**more))


@pytest.mark.parametrize("device", ["rpi-6", "stm32u575"])
def test_predictions_need_a_board(device: str) -> None:
    with pytest.raises(DeviceError, match="rpi-6|kind 'mcu'"):
        asking.check(Asked(device=device))


def test_stored_runs_that_are_none_are_refused(tmp_path: pathlib.Path) -> None:
    whole = quick(engines=("reference",)).to_dict()
    half = json.dumps(whole)[:200]
    bad: dict[str, tuple[str, str]] = {
        "cut": (half, "is not JSON, or only a part"),
        "foreign": ('{"results": 1}', "holds no measurement"),
        "list": ("[1]", "holds no measurement"),
        "newer": (json.dumps(whole | {"schema": 3}), "schema 3, this version reads 2"),
        "older": (json.dumps(whole | {"schema": 1}), "schema 1, this version reads 2"),
        "torn": (json.dumps(whole | {"results": [{"engine": "numba"}]}), "is not whole"),
        "wrong": (json.dumps(whole | {"seconds": "x"}), "is not whole"),
    }
    for name, (text, message) in bad.items():
        path = tmp_path / f"{name}.json"
        path.write_text(text, "utf-8")
        with pytest.raises(ModelError, match=message):
            stored.load_run(path)
    with pytest.raises(ModelError, match="does not exist"):
        stored.load_run(tmp_path / "absent.json")
