"""Both directions in counts, memory and the profile: two layers, and whole sequences in RAM."""

import json
import pathlib

import numpy as np
import pytest

from edgelstm.cost.advice import advise
from edgelstm.cost.count_ops import count
from edgelstm.cost.counts import Counts
from edgelstm.cost.energy import estimate
from edgelstm.cost.memory import fit, memory_map
from edgelstm.cost.other_tools import foreign_counts
from edgelstm.cost.variants import Situation, rebuilt
from edgelstm.devices.device import read_device
from edgelstm.formats import write
from edgelstm.model.network import Network
from edgelstm.quantization.quantizer import quantize
from tests.networks import bidirectional_network, random_input
from tests.present import expected_status
from tests.shapes import lstm
from tests.tools.test_cli import run

U575 = read_device("stm32u575")


def test_each_direction_is_a_layer_with_the_counts_of_one() -> None:
    network = bidirectional_network("lstm", (80, 12), outputs=3, last_step=True)
    counts = count(network, steps=5)
    alone = count(lstm(80, 12)).layers[0]
    assert [layer.name for layer in counts.layers] == ["lstm1", "lstm1_reverse", "dense1"]
    for layer in counts.layers[:2]:
        assert (layer.input_size, layer.hidden_size, layer.gates) == (80, 12, alone.gates)
        assert layer.total == alone.total and layer.total.macs == 4416
    assert counts.total.macs == 2 * 4416 + 3 * 24
    assert counts.parameters == network.n_parameters == 2 * (48 * 92 + 96) + 3 * 25
    assert counts.sequence is not None
    assert [layer.total.macs for layer in counts.sequence.layers] == [5 * 4416, 5 * 4416, 72]


def test_a_quantized_network_counts_as_its_float_original() -> None:
    network = bidirectional_network("lstm", (5, 8, 7), outputs=3, last_step=True)
    qnetwork = quantize(network, random_input(network, 2, 5))
    assert count(qnetwork, steps=3).to_dict() == count(network, steps=3).to_dict()


@pytest.mark.parametrize("cell_name", ["gru", "lstm_peephole", "mgu"])
def test_other_cells_count_in_both_directions(cell_name: str) -> None:
    both = count(bidirectional_network(cell_name, (5, 8)))
    assert both.layers[0].total == both.layers[1].total
    assert both.total.macs == 2 * both.layers[0].total.macs


def ram(counts: Counts, steps: int) -> dict[str, int | None]:
    parts = memory_map(counts, U575, steps=steps)
    return {p.name: p.size_bytes for p in parts if p.memory == "ram"}


def test_whole_sequences_lie_in_ram() -> None:
    # int8: h and c of each direction in 16 B. Of 48 steps x takes 144, an output 96. That of TFLM's
    # planner is 480 B, which it says itself: some of it lies between values that are not needed.
    counts = count(bidirectional_network("lstm", (3, 2)))
    got = ram(counts, 48)
    assert got["states"] == 4 * 16
    assert got["input, output, values"] == 480
    basis = fit(counts, U575, steps=48).basis
    assert "for 48 steps a call" in basis
    assert "a bidirectional layer keeps whole sequences: input, reversed input" in basis


def test_one_direction_says_nothing_of_whole_sequences() -> None:
    assert "bidirectional" not in fit(count(lstm(3, 2)), U575, steps=50).basis


def test_a_wide_input_is_held_twice() -> None:
    # float32: 64 and 64 turned round, beside a forward output of 8 and four gates of 8
    network = bidirectional_network("lstm", (64, 8))
    got = ram(count(network, precision="float32"), 10)
    assert got["input, output, values"] == 10 * 4 * (64 + 64 + 8)


def test_advice_rebuilds_both_directions() -> None:
    network = bidirectional_network("lstm", (12, 16, 10), outputs=4)
    counts = count(network)
    again = rebuilt(counts)
    assert count(again).total == counts.total
    assert [layer.output_size for layer in again.layers] == [32, 20, 4]
    projected = rebuilt(counts, projection=lambda layer: layer.hidden_size // 2)
    assert [layer.output_size for layer in projected.layers] == [16, 10, 4]
    energy = estimate(counts, U575, "edgelstm")
    techniques = [a.technique for a in advise(Situation(counts, energy, U575, "edgelstm"))]
    assert "a projection to half the units" in techniques


def test_counters_of_others_were_not_tried_on_both_directions() -> None:
    for found in foreign_counts(count(bidirectional_network("lstm", (4, 6)), steps=3)):
        assert found.prints is None
        assert found.reason == "was not tried on a lstm in reverse"


def saved(tmp_path: pathlib.Path, cell_name: str = "lstm") -> Network:
    network = bidirectional_network(cell_name, (4, 6), outputs=2, last_step=True)
    write(network, tmp_path / "net.npz")
    return network


def test_the_profile_lists_both_directions(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(tmp_path)
    assert run("profile", tmp_path / "net.npz", "--steps", 9, "--json", "--quiet") == 0
    report = json.loads(capsys.readouterr().out)
    assert [x["name"] for x in report["layers"]] == ["lstm1", "lstm1_reverse", "dense1"]
    assert "for 9 steps a call" in report["fit"]["basis"]


def test_export_writes_and_checks_whole_sequences(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = saved(tmp_path)
    np.save(tmp_path / "x.npy", random_input(network, 6, 7))
    command = ["export", tmp_path / "net.npz", "--calibration", tmp_path / "x.npy"]
    assert run(*command, "-o", tmp_path / "out", "--json", "--quiet") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["steps"] == 7
    for verified in report["verified"]:
        assert verified["status"] == expected_status(verified["runtime"])
    assert list(report["accuracy"]["layer_snr_db"]) == ["lstm1", "dense1"]


def test_export_refuses_a_stream_before_anything_is_computed(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(tmp_path)
    out = tmp_path / "out"
    assert run("export", tmp_path / "net.npz", "--streaming", "-o", out) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: ")
    assert "net.npz: layer 'lstm1' is bidirectional: its reverse direction begins" in last
    assert not out.exists()


def test_export_of_a_gru_is_int8(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(tmp_path, "gru")
    assert run("export", tmp_path / "net.npz", "-o", tmp_path / "out", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["precision"], report["form"]) == ("int8", "composed")
    assert [a["format"] for a in report["artifacts"]] == ["tflite", "onnx"]
    assert {v["mismatches"] for v in report["verified"]} <= {0, None}
