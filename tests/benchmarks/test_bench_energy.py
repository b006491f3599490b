"""The error figures of the energy model, recomputed from published runs."""

import csv
import pathlib

import pytest

from benchmarks import bench_energy as bench
from edgelstm.cost.power import POWER_HALF_WIDTH


def test_workload_left_out_is_within_its_limits() -> None:
    errors = bench.workload_left_out(bench.reference_set(), bench.by_power)
    assert len(errors) == 39
    assert bench.mean_percent(errors) <= 4
    assert bench.worst_percent(errors) <= 12
    # Printed digits of the figures that the documentation quotes.
    assert bench.mean_percent(errors) == pytest.approx(3.3, abs=0.05)
    assert bench.worst_percent(errors) == pytest.approx(11.5, abs=0.05)


def test_runtime_left_out_is_within_its_limits() -> None:
    errors = bench.runtime_left_out(bench.ad_runs())
    assert len(errors) == 17
    assert bench.mean_percent(errors) <= 9
    assert bench.worst_percent(errors) <= 21.1


def test_envelopes_of_the_estimate_contain_all_points() -> None:
    workload = bench.workload_left_out(bench.reference_set(), bench.by_power)
    runtime = bench.runtime_left_out(bench.ad_runs())
    assert bench.half_width(workload) <= POWER_HALF_WIDTH["this runtime"][0]
    assert bench.half_width(runtime) <= POWER_HALF_WIDTH["other runtimes"][0]
    widths = {"workload": POWER_HALF_WIDTH["this runtime"][0]}
    widths["runtime"] = POWER_HALF_WIDTH["other runtimes"][0]
    assert widths == bench.ENVELOPES


def test_energy_per_multiplication_would_be_far_off() -> None:
    errors = bench.workload_left_out(bench.reference_set(), bench.by_macs)
    assert bench.mean_percent(errors) > 15


def test_derived_columns_follow_from_the_raw_ones() -> None:
    for run in bench.runs():
        power = float(run["energy_uj"]) * float(run["inferences_per_s"]) / 1000
        assert float(run["power_mw"]) == pytest.approx(power, rel=0.002)  # rounded in the table


def test_every_reference_run_of_the_four_chips_is_held_against_estimate() -> None:
    path = pathlib.Path(__file__).parents[1] / "data" / "mlperf_tiny_ad.csv"
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    tested = {(row["release"], row["board"], row["energy_uj"]) for row in csv.DictReader(lines)}
    chips = ("STM32L4R5", "STM32U575", "STM32U385", "STM32H7A3")
    needed = {
        (run["release"], run["board"], run["energy_uj"])
        for run in bench.reference_set()
        if run["workload"] == "AD" and run["chip"] in chips
    }
    assert needed <= tested
    assert len(needed) == 10


def test_the_benchmark_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main() == 0
    assert "within the limits" in capsys.readouterr().out
