"""Microseconds of whole networks, ours and those of every runtime that is installed, side by side.

    python -m benchmarks.bench_networks [--networks bundled,gru] [--rounds 41] [--json F] [--plot F]
    python -m benchmarks.bench_networks --quick        two networks, few rounds

From a NumPy array to a NumPy array: a `step` goes on from the state before, a `sequence` begins at
the start. Every runtime has to give the right values first; what does not is left out, and named.
Then all take turns on one core, in random order, a round after the other. Where a runtime has
several files of a network, its fastest counts. The ratio is that of CPU times within a round: its
median, and the 95 % interval of that.
"""

import argparse
import functools
import importlib.metadata
import json
import pathlib
import sys
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from benchmarks import against, machine, network_report
from benchmarks.networks import CASES, Case, two_layers
from benchmarks.road import OURS, PEERS, Road, ours
from edgelstm.execution.backends import open_engine
from edgelstm.layers.directions import parts
from edgelstm.measurement import ratios, turns

ROUNDS, QUICK_ROUNDS = 41, 3
QUICK = ("bundled", "gru")
PACKAGES = ("numpy", "ai-edge-litert", "onnxruntime", "torch")
# Name of a row; the precision of ours, and whether it takes integers; the precision of the peers.
# Peers take raw integers at int8, and their hybrid form is what a user may pick in its place.
ROWS = (
    ("float32", "float32", False, "float32"),
    ("hybrid", "hybrid", False, "hybrid"),
    ("int8 from floats", "int8", False, "int8"),
    ("int8 from floats, peers hybrid", "int8", False, "hybrid"),
    ("raw int8", "int8", True, "int8"),
)


def right(case: Case, found: Iterable[Road]) -> tuple[list[Road], list[str]]:
    """Roads that compute the network, and what is left out and why; ours must be right."""
    kept: list[Road] = []
    wrong: dict[str, list[str]] = {}
    for road in found:
        fault = road.fault(case)
        if fault is None:
            kept.append(road)
        elif road.runtime == OURS:
            raise SystemExit(f"{case.title}: {road.name}, {road.precision}, {road.mode}: {fault}")
        else:
            about = f"{road.precision}, {road.mode}: {fault}"
            wrong.setdefault(about, []).append(road.name)
    return kept, [f"{'; '.join(names)}: {about}" for about, names in wrong.items()]


def measure(case: Case, n_rounds: int) -> dict[str, Any]:
    """Everything of one network."""
    cached = all(kernel.is_compiled for kernel in _kernels(case))
    found, missing = list(ours(case)), []
    with tempfile.TemporaryDirectory() as folder:
        for peer in PEERS:
            try:
                found += peer(case, pathlib.Path(folder))
            except ImportError as error:
                missing.append(str(error))
        kept, left_out = right(case, found)
        calls = [_call(road, case) for road in kept]
    times = turns.cpu_microseconds(calls, n_rounds)
    return {
        "title": case.title,
        "steps": len(case.x),
        "kernels_cached": cached,
        "roads": [_told(road, seen) for road, seen in zip(kept, times.T, strict=True)],
        "rows": list(_rows(case, kept, times)),
        "bounds_us": bounds(case),
        "left_out": missing + left_out,
    }


def bounds(case: Case) -> dict[str, dict[str, float]]:
    """Least times by the form of weights, then mode, see bound.py."""
    from benchmarks import bound

    held = parts(case.networks["float32"].layers)
    of_h = [part.weight_hh.size for part in held if part.kind == "recurrent"]
    of_x = [part.weight_ih.size for part in held if part.kind == "recurrent"]
    of_x += [part.weight.size for part in held if part.kind == "dense"]
    found = {}
    for form in bound.BYTES:
        found[form] = bound.bounds_us(of_h, of_x, form, bound.peak_gmac_per_s(form))
        found[form]["sequence"] *= len(case.x)
    return found


def _kernels(case: Case) -> Iterator[Any]:
    """Ours that whole sequences and steps take."""
    for network in case.networks.values():
        engine = open_engine(None, network, 1)
        yield from engine.kernels()
        if "step" in case.modes:
            yield from engine.step_kernels()


def _call(road: Road, case: Case) -> Any:
    """One call of it, from its start on."""
    road.reset()
    return functools.partial(road.call, road.inputs(case)[0])


def _told(road: Road, times: Any) -> dict[str, Any]:
    low, median, high = np.percentile(times, [10, 50, 90])
    return {
        "runtime": road.runtime,
        "interface": road.form,
        "precision": road.precision,
        "mode": road.mode,
        "median_us": float(median),
        "p10_us": float(low),
        "p90_us": float(high),
    }


def _rows(case: Case, roads: list[Road], times: Any) -> Iterator[dict[str, Any]]:
    """Ours and the fastest of each peer's, of each row and mode."""
    medians = np.median(times, axis=0)
    for mode in case.modes:
        for name, precision, raw, of_peers in ROWS:
            mine: int | None = None
            fastest: dict[str, int] = {}
            for k in np.argsort(medians):
                road = roads[k]
                if road.mode != mode:
                    continue
                if road.runtime == OURS and (road.precision, road.raw) == (precision, raw):
                    mine = k
                elif road.runtime != OURS and road.precision == of_peers:
                    fastest.setdefault(road.runtime, k)
            if mine is not None:
                yield {"mode": mode, "name": name} | _row(roads, times, mine, fastest)


def _row(roads: list[Road], times: Any, mine: int, fastest: dict[str, int]) -> dict[str, Any]:
    """Columns of the roads that a row is about; no ratio where no peer is."""
    row: dict[str, Any] = {
        "ours_us": float(np.median(times[:, mine])),
        "peers_us": {peer: float(np.median(times[:, k])) for peer, k in fastest.items()},
    }
    if fastest:
        best = next(iter(fastest.values()))
        found = ratios.ratio(times[:, mine], times[:, best], draws=against.DRAWS)
        row |= {"best": roads[best].name, "ratio": found.typical}
        row |= {"low": found.low, "high": found.high}
    return row


def measure_two_layers(n_rounds: int) -> list[dict[str, Any]]:
    """How much longer two layers take than both of them alone."""
    cases = two_layers()
    roads = [right(case, ours(case))[0] for case in cases]
    # From floats, int8 is quantized once by both and twice by each alone.
    roads = [[r for r in found if r.raw or r.precision != "int8"] for found in roads]
    calls = [_call(road, case) for c, case in enumerate(cases) for road in roads[c]]
    times = turns.cpu_microseconds(calls, n_rounds).reshape(n_rounds, len(cases), -1)
    found = []
    for road, seen in zip(roads[0], times.transpose(2, 1, 0), strict=True):
        both, first, second = (float(np.median(t)) for t in seen)
        more = seen[0] - seen[1] - seen[2]
        spread = ratios.interval(more, draws=against.DRAWS)
        name = next(n for n, p, raw, _ in ROWS if (p, raw) == (road.precision, road.raw))
        found.append(
            {
                "name": name,
                "mode": road.mode,
                "both_us": both,
                "alone_us": [first, second],
                "more_us": spread.typical,
                "low": spread.low,
                "high": spread.high,
            }
        )
    return found


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", help=f"some of {','.join(CASES)}")
    parser.add_argument("--rounds", type=int, help=f"{ROUNDS} unless given")
    parser.add_argument("--quick", action="store_true", help=f"{' and '.join(QUICK)}, few rounds")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--plot", type=pathlib.Path, help="needs edgelstm[plots]")
    args = parser.parse_args()
    args.names = args.networks.split(",") if args.networks else list(QUICK if args.quick else CASES)
    args.rounds = args.rounds or (QUICK_ROUNDS if args.quick else ROUNDS)
    unknown = [name for name in args.names if name not in CASES]
    if unknown or args.rounds < 1:
        parser.error(f"networks are {', '.join(CASES)}, and rounds at least 1")
    return args


def main() -> None:
    """Measures and prints the tables."""
    args = _options()
    against.pin()
    results = {}
    for name in args.names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        results[name] = measure(CASES[name](), args.rounds)
    found = {
        "machine": machine.machine() | {"versions": _versions()},
        "rounds": args.rounds,
        "results": results,
        "two_layers": measure_two_layers(args.rounds),
    }
    print(network_report.tables(found))
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")
    if args.plot:
        network_report.plot(found, args.plot)


if __name__ == "__main__":
    main()
