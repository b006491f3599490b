"""The benchmark of whole networks: what computes something else is not timed, and is named."""

import dataclasses
import json
import pathlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from benchmarks import bench_networks, bound, counted, network_report, road
from benchmarks.networks import CASES, Array, Case, case, random_case, two_layers
from benchmarks.road import OURS, Road, ours
from edgelstm.model.forward import forward
from tests.networks import bidirectional_network, random_input, random_network
from tests.present import imported


def read_last() -> Case:
    network = random_network("lstm", (5, 16), outputs=3, last_step=True)
    x = random_input(network, 3, 12)
    return case("head over the last step", network, x[0], x)


SMALL: dict[str, Callable[[], Case]] = {
    "read_last": read_last,
    "two": lambda: random_case("two", "lstm", (5, 16, 8), 3),
    "gru": lambda: random_case("gru", "gru", (5, 16), 3),
    "both_ways": lambda: random_case("both ways", "lstm", (5, 16), 3, n_directions=2),
    "no_head": lambda: random_case("no head", "lstm", (5, 16), None),
}
PEERS = {"litert": "ai_edge_litert", "onnxruntime": "onnxruntime", "torch": "torch"}


def peer(name: str) -> Any:
    if name == "torch":
        pytest.importorskip("torch", reason="pip install torch")
    else:
        imported(name, PEERS[name])
    if name == "onnxruntime":
        pytest.importorskip("onnx", reason="pip install onnx")
    return next(found for found in road.PEERS if found.__name__ == name)


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("small", SMALL)
def test_every_file_of_every_peer_computes_the_network(
    small: str, name: str, tmp_path: pathlib.Path
) -> None:
    given = SMALL[small]()
    roads = peer(name)(given, tmp_path)
    faults = {f"{r.name}, {r.precision}, {r.mode}": r.fault(given) for r in roads}
    assert faults
    # 8 bits saturate where the processor lacks VNNI; those of 7 bits stand beside them.
    wrong = {k: v for k, v in faults.items() if v and not ("dynamic" in k and "7 bits" not in k)}
    assert not wrong
    assert not any(", step" in k for k in faults) or small != "both_ways"


@pytest.mark.parametrize("small", SMALL)
def test_ours_computes_it_with_the_oracles_integers(small: str) -> None:
    given = SMALL[small]()
    kept, left_out = bench_networks.right(given, ours(given))
    assert len(kept) == len(given.modes) * 4
    assert left_out == []


def right_road(given: Case) -> Road:
    """A peer's that gives a float network's sequence."""
    y = given.reals["sequence"].astype(np.float32)
    return Road("Peer", "plain", "float32", "sequence", lambda x: y.copy())


def changed(road: Road, change: Any) -> Road:
    return dataclasses.replace(road, form="wrong", call=lambda x: change(road.call(x)))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda y: y + np.float32(1e-4), "differ"),
        (lambda y: y[::-1], "differ"),
        (lambda y: np.where(y == y.max(), np.nan, y), "not finite"),
        (lambda y: y[1:], "values where 300 are expected"),
    ],
)
def test_a_peer_that_gives_wrong_values_is_left_out_and_named(change: Any, told: str) -> None:
    given = SMALL["two"]()
    road = right_road(given)
    kept, left_out = bench_networks.right(given, [road, changed(road, change)])
    assert [r.name for r in kept] == ["Peer, plain"]
    (line,) = left_out
    assert line.startswith("Peer, wrong: float32, sequence: ") and told in line


def test_a_sequence_that_begins_where_the_last_one_ended_is_wrong() -> None:
    given = SMALL["two"]()
    (road,) = (r for r in ours(given) if (r.precision, r.mode) == ("float32", "step"))
    assert road.fault(given) is None
    told = dataclasses.replace(road, runtime="Peer", reset=lambda: None).fault(given)
    assert told is not None and "differ" in told


def test_int8_of_a_peer_may_round_otherwise_and_ours_may_not() -> None:
    given = SMALL["two"]()
    y = given.integers["sequence"].copy()
    y[0, 0] += 1 if y[0, 0] < 127 else -1
    assert given.fault("int8", "sequence", y, exact=False) is None
    assert given.fault("int8", "sequence", y, exact=True) is not None
    assert given.fault("int8", "sequence", -y, exact=False) is not None
    road = Road(OURS, "Session", "int8", "sequence", lambda x: y)
    with pytest.raises(SystemExit, match="not the oracle's"):
        bench_networks.right(given, [road])


def test_a_row_holds_the_fastest_file_and_the_ratio_within_rounds() -> None:
    given = SMALL["gru"]()
    names = [(OURS, "Session"), ("A", "slow"), ("A", "fast"), ("B", "only")]
    roads = [Road(*name, "float32", "step", lambda x: x) for name in names]
    busy = np.array([1, 4, 1])[:, None]  # a round that the machine slowed
    times = np.array([[2.0, 9.0, 5.0, 6.0]]) * busy
    (row,) = bench_networks._rows(given, roads, times)
    assert row["name"] == "float32" and row["mode"] == "step"
    assert row["peers_us"] == {"A": 5.0, "B": 6.0}
    assert (row["best"], row["ours_us"]) == ("A, fast", 2.0)
    assert (row["ratio"], row["low"], row["high"]) == (2.5, 2.5, 2.5)
    (alone,) = bench_networks._rows(given, roads[:1], times[:, :1])
    assert alone["peers_us"] == {} and "ratio" not in alone


def test_int8_stands_beside_int8_and_beside_hybrid() -> None:
    given = SMALL["two"]()
    given_roads = [r for r in ours(given) if r.mode == "step" and r.precision == "int8"]
    roads = [
        *given_roads,
        *(Road("A", "only", p, "step", lambda x: x) for p in ("hybrid", "int8")),
    ]
    rows = {r["name"]: r for r in bench_networks._rows(given, roads, np.array([[3.0, 1, 6, 12]]))}
    ratios = {name: row["ratio"] for name, row in rows.items()}
    assert ratios == {
        "int8 from floats": 4,
        "int8 from floats, peers hybrid": 2,
        "raw int8": 12,
    }


def test_the_second_layer_alone_reads_what_the_first_gives() -> None:
    both, first, second = two_layers()
    assert [c.networks["int8"].precision for c in (both, first, second)] == ["int8"] * 3
    assert second.networks["int8"].input == first.networks["int8"].output
    y = forward(second.networks["float32"], second.x[None])[0]
    np.testing.assert_allclose(y, both.reals["sequence"], atol=1e-6)  # x went through float32


def test_the_networks_are_those_that_are_told() -> None:
    assert list(CASES) == ["bundled", "lstm64x2", "lstm256x3", "gru", "tagger"]
    sizes = {
        "bundled": (12, 9, 29),
        "lstm64x2": (40, 12, 100),
        "gru": (40, 12, 100),
        "tagger": (40, 12, 100),
    }
    for name, expected in sizes.items():
        given = CASES[name]()
        network = given.networks["float32"]
        assert (network.input_size, network.output_size, len(given.x)) == expected
        assert given.modes == (("sequence",) if name == "tagger" else ("step", "sequence"))
        assert list(given.networks) == ["float32", "hybrid", "int8"]


def test_the_command_prints_every_row_and_says_what_is_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def peers(given: Case, folder: pathlib.Path) -> Iterator[Road]:
        yield right_road(given)
        yield changed(right_road(given), lambda y: y + 1)

    def missing(given: Case, folder: pathlib.Path) -> Iterator[Road]:
        raise ImportError("No module named 'other'")

    monkeypatch.setattr("os.sched_setaffinity", lambda *given: None, raising=False)
    monkeypatch.setattr(bench_networks, "CASES", {n: SMALL[n] for n in ("read_last", "both_ways")})
    monkeypatch.setattr(bench_networks, "PEERS", (peers, missing))
    monkeypatch.setattr(bench_networks, "two_layers", lambda: [SMALL["no_head"]()] * 3)
    path = tmp_path / "found.json"
    monkeypatch.setattr(sys, "argv", ["bench_networks", "--rounds", "2", "--json", str(path)])
    bench_networks.main()
    printed, found = capsys.readouterr().out, json.loads(path.read_text("utf-8"))
    assert printed == network_report.tables(found) + "\n"
    assert found["machine"]["cpu"] in printed and "2 rounds" in printed
    assert "left out: both ways: No module named 'other'" in printed
    assert "left out: both ways: Peer, wrong: float32, sequence: " in printed
    rows = [(r["mode"], r["name"]) for r in found["results"]["both_ways"]["rows"]]
    assert rows == [("sequence", name) for name, *_ in bench_networks.ROWS]
    assert len(found["two_layers"]) == 6  # three formats, step and sequence
    step, sequence = (len(network_report.table(found, m)) for m in network_report.TITLES)
    assert (step, sequence) == (5 + 5, 5 + 10)  # title, head and rule, and a row per format


def test_a_bound_counts_the_products_of_every_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bound, "peak_gmac_per_s", lambda form: 4.0)
    monkeypatch.setattr(bound, "stream_gb_per_s", lambda n_bytes, form: 2.0)
    network = bidirectional_network("lstm", (5, 16), outputs=3)
    given = case("both ways", network, random_input(network, 1, 10)[0], random_input(network, 2, 9))
    of_h, of_x = 2 * 64 * 16, 2 * 64 * 5 + 3 * 32
    found = bench_networks.bounds(given)
    assert found["float32"]["step"] == pytest.approx((of_h + of_x) * 4 / 2.0 / 1e3)
    assert found["float32"]["sequence"] == pytest.approx(10 * (of_h * 4 / 2.0 + of_x / 4.0) / 1e3)
    assert found["int8"]["sequence"] == pytest.approx(10 * (of_h / 2.0 + of_x / 4.0) / 1e3)


def test_a_plot_is_drawn(tmp_path: pathlib.Path) -> None:
    pytest.importorskip("matplotlib", reason='pip install "edgelstm[plots]"').use("agg")
    row = {"mode": "step", "name": "float32", "ours_us": 1.0}
    rows = [row | {"peers_us": {"A": 2.0}, "ratio": 2.0}, row | {"peers_us": {}}]
    about = {"cpu": "a processor", "instruction_set": "its own"}
    found = {"machine": about, "results": {"n": {"title": "N", "steps": 9, "rows": rows}}}
    network_report.plot(found, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("wrong", [["--networks", "none"], ["--rounds", "-1"]])
def test_wrong_options_are_refused(wrong: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["bench_networks", *wrong])
    with pytest.raises(SystemExit) as ended:
        bench_networks.main()
    assert ended.value.code == 2


def test_what_is_counted_of_a_network_is_one_call_after_the_other() -> None:
    pieces = list(counted.network())
    assert len(pieces) == len(counted.FORMATS) * len(counted.CALLS)
    for piece in pieces:
        piece(0)
        piece(1)
    seen: list[Array] = []
    counted._repeat(lambda: seen.append(np.zeros(0)), 3)
    assert len(seen) == 3
