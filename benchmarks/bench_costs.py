"""What costing a candidate takes: `python -m benchmarks.bench_costs [--points N] [--seed N]`.

A point is a network that does not exist yet, a precision and a device: its shapes, its counts, time
and energy of a step, and whether it fits. Points are drawn by seed and computed one after the
other, on one core; `cold` begins with no layer counted, `warm` computes the same points again.
`search` is as many points as `edgelstm search --costs` takes them: every candidate on each device.
"""

import argparse
import random
import resource
import time
from collections.abc import Sequence
from typing import NamedTuple

from edgelstm.cells.spec import trace
from edgelstm.cost.count_ops import count, count_part
from edgelstm.cost.energy import estimate
from edgelstm.cost.memory import fit
from edgelstm.devices.device import Device, read_device
from edgelstm.model.sizes import shapes
from edgelstm.searching.costing import cost_points
from edgelstm.searching.space import Space, Task

DEVICES = ("stm32u575", "nrf52840", "rpi-5")
CELLS = ("lstm", "lstm_peephole", "gru", "mgu")
PRECISIONS = ("float32", "int8", "hybrid")
PROJECTED = ("lstm", "lstm_peephole")
INPUT_SIZE, OUTPUTS, STEPS = 12, 9, 29


class Point(NamedTuple):
    """What is costed."""

    cell_name: str
    hidden_size: int
    layers: int
    projection: int | None
    precision: str
    device: Device


def drawn(n_points: int, seed: int) -> list[Point]:
    """Points of every cell, precision and device, of 4 to 128 units in up to three layers."""
    draw = random.Random(seed)
    devices = [read_device(name) for name in DEVICES]
    points = []
    for _ in range(n_points):
        cell, hidden = draw.choice(CELLS), draw.randint(4, 128)
        projection = draw.choice((None, hidden // 2)) if cell in PROJECTED else None
        layers, precision = draw.randint(1, 3), draw.choice(PRECISIONS)
        points.append(Point(cell, hidden, layers, projection, precision, draw.choice(devices)))
    return points


def cost(point: Point) -> bool | None:
    """Everything that a search asks of a point; whether it fits."""
    network = shapes(
        point.cell_name,
        INPUT_SIZE,
        point.hidden_size,
        layers=point.layers,
        projection=point.projection,
        outputs=OUTPUTS,
    )
    counts = count(network, precision=point.precision)
    estimate(counts, point.device)
    return fit(counts, point.device, steps=STEPS).fits


def seconds(points: Sequence[Point]) -> float:
    """Time on one core."""
    start = time.process_time()
    for point in points:
        cost(point)
    return time.process_time() - start


def search_seconds(n_points: int, seed: int) -> float:
    """Time on one core, with no layer counted before."""
    space = Space(CELLS, range(4, 129), (1, 2, 3), PRECISIONS, (None, 2, 16))
    candidates = random.Random(seed).sample(space.candidates(), -(-n_points // len(DEVICES)))
    devices, task = [read_device(name) for name in DEVICES], Task(INPUT_SIZE, OUTPUTS, STEPS)
    forget()
    start = time.process_time()
    cost_points(candidates, devices, task)
    return time.process_time() - start


def forget() -> None:
    """Empties what is kept of cells and layers."""
    for kept in (trace, count_part):
        kept.cache_clear()


def main() -> None:
    """Prints seconds, and points a second, cold and warm."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--points", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    points = drawn(asked.points, asked.seed)
    forget()
    print(f"{asked.points:,} points on {', '.join(DEVICES)}, seed {asked.seed}, one core")
    for name in ("cold", "warm"):
        _print(name, seconds(points), asked.points)
    print(f"{count_part.cache_info().currsize:,} layers counted")
    _print("search", search_seconds(asked.points, asked.seed), asked.points)
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB at most")


def _print(name: str, took: float, n_points: int) -> None:
    print(f"{name:6s}{took:6.2f} s  {n_points / took:8,.0f} points a second")


if __name__ == "__main__":
    main()
