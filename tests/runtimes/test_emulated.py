"""Folders of C on emulated cores: every value is the reference's, no access leaves its buffer."""

import pathlib

import numpy as np
import pytest

import edgelstm
from edgelstm.devices.cores import CORES
from edgelstm.runtimes.emulated.image import Image
from edgelstm.runtimes.emulated.machine import Crashed, EmulatedFile, Machine
from edgelstm.runtimes.emulated.toolchain import image_of
from edgelstm.runtimes.folder import open_folder
from tests.networks import random_input, random_network
from tests.present import skip_without

skip_without("cortex-m4")
pytest.importorskip("ziglang", reason='pip install "edgelstm[mcu]"')
EMULATED = [name for name, core in CORES.items() if core.emulator]
FLOAT = random_network("lstm_peephole", (5, 8), outputs=3, activation="softmax")


def on_core(path: pathlib.Path, core: str, *, at_end: bool = True) -> EmulatedFile:
    folder = open_folder(path)
    return EmulatedFile(folder, Machine(core, Image(image_of(folder, core)), at_end=at_end))


@pytest.mark.parametrize("core", EMULATED)
def test_integers_are_the_reference_between_guard_pages(tmp_path: pathlib.Path, core: str) -> None:
    network = random_network("lstm", (5, 9, 7), outputs=3, activation="sigmoid")
    q = edgelstm.quantize(network, random_input(network, 4, 20))
    path = edgelstm.write(q, tmp_path / "net_c", target=core)
    x = np.random.default_rng(0).integers(-128, 128, (2, 9, 5)).astype(np.int8)
    expected = edgelstm.run(q, x, engine="reference")
    for at_end in (True, False):
        got = on_core(path, core, at_end=at_end)
        np.testing.assert_array_equal(got.run(x), expected)
        assert got.machine.image.ram_bytes == 0


@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m4", "rv32imc", "cortex-a53"])
@pytest.mark.parametrize("form", ["float32", "int8", "int16x8"])
def test_other_cells_are_the_reference(tmp_path: pathlib.Path, core: str, form: str) -> None:
    x = random_input(FLOAT, 2, 9)
    network = FLOAT if form == "float32" else edgelstm.quantize(FLOAT, x, form)
    if network.input is not None:
        x = np.random.default_rng(0).integers(-128, 128, x.shape).astype(network.input.type)
    expected = edgelstm.run(network, x, engine="reference")
    got = on_core(edgelstm.write(network, tmp_path / "net_c", target=core), core).run(x)
    tolerance = 1e-5 if form == "float32" else 0
    np.testing.assert_allclose(got.astype(float), expected, atol=tolerance, rtol=0)


def test_code_that_leaves_its_memory_or_does_not_end_crashes(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgelstm.runtimes.emulated.machine.MOST_SECONDS", 1)
    path = edgelstm.write(random_network("rnn", (2, 3)), tmp_path / "net_c")
    source = path / "src" / "net.c"
    text = source.read_text()
    begin = "    NET_ON_STEP_BEGIN();\n"
    source.write_text(text.replace(begin, f"{begin}    y[1025] = 1.0F;\n", 1))
    with pytest.raises(Crashed, match="in net_step"):
        on_core(path, "cortex-m4").run(np.zeros((1, 1, 2), np.float32))
    source.write_text(text.replace(begin, "    for (;;) { *(volatile float *)y = 0.0F; }\n", 1))
    with pytest.raises(Crashed, match="no end within 1 s in net_step"):
        on_core(path, "cortex-m4").run(np.zeros((1, 1, 2), np.float32))


def test_verify_runs_a_folder_on_its_core_and_here(tmp_path: pathlib.Path) -> None:
    q = edgelstm.quantize(network := random_network("gru", (3, 4)), random_input(network, 2, 9))
    path = edgelstm.write(q, tmp_path / "net_c", target="cortex-m3")
    found = edgelstm.verify(path, n_sequences=3, steps=7).verified
    assert [(v.runtime, v.status, v.values) for v in found] == [
        ("host", "ok", 84),
        ("cortex-m3", "ok", 84),
    ]
    path = edgelstm.write(q, tmp_path / "net_c", target="xtensa-lx7")
    _, found_there = edgelstm.verify(path, n_sequences=3, steps=7).verified
    assert (found_there.status, found_there.reason) == (
        "skipped",
        "nothing emulates a xtensa-lx7 here; host has its bits",
    )
