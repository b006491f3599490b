"""`bench --core`: what a step costs on an emulated core, as JSON and as a table."""

import json
import pathlib

import pytest

import edgelstm
from tests.networks import random_network
from tests.present import skip_without
from tests.tools.test_cli import Captured, run

skip_without("cortex-m4")
pytest.importorskip("ziglang", reason='pip install "edgelstm[mcu]"')
KEYS = {
    *("core", "instructions_per_step", "predicted_instructions_per_step", "gates", "padding_bytes"),
    *("loads", "stores", "bytes_read", "bytes_written", "stack_bytes", "flash_bytes", "ram_bytes"),
    *("mismatches", "kernels", "compiler", "cycles_per_step", "wait_states", "cycles_basis"),
}


def test_rows_have_each_key_and_gates_add_up(tmp_path: pathlib.Path, capsys: Captured) -> None:
    path = edgelstm.write(random_network("lstm", (5, 9)), tmp_path / "net.npz")
    words = ("bench", path, "--core", "cortex-m4", "--core", "rv32imc", "--core", "cortex-a76")
    assert run(*words, "--json", "--quiet") == 0
    rows = json.loads(capsys.readouterr().out)["results"]
    assert [row["core"] for row in rows] == ["cortex-m4", "rv32imc", "cortex-a76"]
    for row in rows:
        assert set(row) >= KEYS and row["mismatches"] == 0
        assert sum(g["instructions"] for g in row["gates"]) == row["instructions_per_step"]
        assert {g["name"]: g["weight_bytes"] for g in row["gates"]} == {
            **{f"lstm1 {gate}": 9 * (5 + 9) for gate in "ifgo"},
            "rest": 0,
        }
    m4, rv32, a76 = rows
    assert m4["padding_bytes"] == 9 * 4 * (1 + 1)
    assert m4["predicted_instructions_per_step"] == pytest.approx(
        m4["instructions_per_step"],
        rel=0.05,  # odd sizes, where both sides have tails
    )
    streams = 12 * (4 * (8 + 12) + 32)  # units and columns in fours, and biases of both sides
    assert a76["padding_bytes"] == streams - 4 * 9 * (5 + 9) - 9 * 32
    assert a76["predicted_instructions_per_step"] == pytest.approx(
        a76["instructions_per_step"], rel=0.05
    )
    assert rv32["cycles_per_step"] is None and "rv32imc" in rv32["cycles_basis"]


def test_every_cell_and_precision_is_counted(tmp_path: pathlib.Path, capsys: Captured) -> None:
    network = random_network("gru", (3, 4), outputs=2, last_step=True)
    path = edgelstm.write(network, tmp_path / "net.npz")
    for precision in ("float32", "int8", "int16x8"):
        assert run("bench", path, "--core", "cortex-m3", "--precision", precision) == 0
        assert "cortex-m3" in capsys.readouterr().out


def test_sizes_stand_in_a_models_place(capsys: Captured) -> None:
    shape = ("--cell", "gru", "--input", "5", "--hidden", "3", "--outputs", "2")
    assert run("bench", *shape, "--core", "cortex-m3", "--json", "--quiet") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["model"] == "gru_5_3_outputs2" and told["results"][0]["mismatches"] == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--core", "cortex-m3", "--seconds", "3"), "--core counts and measures no time"),
        (("--core", "cortex-m3", "--precision", "int8,float32"), "counts one precision"),
        (("--core", "cortex-m44"), "core 'cortex-m44' is unknown; did you mean cortex-m4"),
        (("--core", "xtensa-lx7"), "nothing emulates a xtensa-lx7 here"),
        (("--core", "cortex-m4", "--precision", "hybrid"), "hybrid is for Raspberry Pis"),
    ],
)
def test_what_cannot_be_counted_is_one_line(
    words: tuple[str, ...], told: str, capsys: Captured
) -> None:
    assert run("bench", *words, "--quiet") == 2
    error = capsys.readouterr().err.strip()
    assert told in error and error.startswith("error: ") and "\n" not in error
