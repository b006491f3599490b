"""The benchmark of costs draws what it says and computes every point."""

import sys

import pytest

from benchmarks import bench_costs as bench


def test_points_are_drawn_by_seed_from_every_choice() -> None:
    points = bench.drawn(300, 5)
    assert points == bench.drawn(300, 5) != bench.drawn(300, 6)
    assert {p.device.name for p in points} == set(bench.DEVICES) and len(bench.DEVICES) == 3
    assert {(p.cell_name, p.precision) for p in points} == {
        (cell, precision) for cell in bench.CELLS for precision in bench.PRECISIONS
    }


def test_it_prints_seconds_and_points_a_second(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench_costs", "--points", "40"])
    bench.main()
    head, *rows, layers, searched, memory = capsys.readouterr().out.splitlines()
    assert head.startswith("40 points on stm32u575, nrf52840, rpi-5, seed 0")
    assert [row.split()[0] for row in rows] == ["cold", "warm"]
    assert all(row.endswith("points a second") for row in (*rows, searched))
    assert layers.endswith("layers counted")
    assert searched.startswith("search ") and memory.endswith(" MB at most")
