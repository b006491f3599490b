"""Folders of C on boards of QEMU: the reference's values, and the same counts as in Unicorn."""

import pathlib

import numpy as np
import pytest

import edgelstm
from edgelstm.devices.cores import CORES
from edgelstm.errors import ModelError
from edgelstm.runtimes import RUNTIMES
from edgelstm.runtimes.emulated.counting import count
from edgelstm.runtimes.emulated.image import Image
from edgelstm.runtimes.emulated.machine import PAINT, Crashed
from edgelstm.runtimes.emulated.opened import open_core
from edgelstm.runtimes.emulated.qemu import GAP, counting_obstacle
from edgelstm.runtimes.emulated.toolchain import image_of
from edgelstm.runtimes.folder import open_folder
from edgelstm.tools.bench_core import check_core
from tests.networks import random_input, random_network
from tests.present import skip_without

skip_without("cortex-m55")
pytest.importorskip("ziglang", reason='pip install "edgelstm[mcu]"')
BOTH = [name for name, core in CORES.items() if core.emulator and core.board]


@pytest.mark.parametrize("core", BOTH)
def test_it_runs_what_unicorn_runs_instruction_for_instruction(
    tmp_path: pathlib.Path, core: str
) -> None:
    skip_without(core)
    network = random_network("lstm", (12, 24), outputs=3)
    q = edgelstm.quantize(network, random_input(network, 4, 20))
    folder = open_folder(edgelstm.write(q, tmp_path / "net_c", target=core))
    board = CORES[core].board
    image = Image(image_of(folder, core, board=board))
    x = np.random.default_rng(0).integers(-128, 128, (3, 12))
    got, expected = count(folder, core, image, x, board=board), count(folder, core, image, x)
    assert got.instructions == expected.instructions > 1_000
    assert got.by_function == expected.by_function
    assert (got.stack_bytes, got.taken_branches) == (expected.stack_bytes, expected.taken_branches)
    if expected.loads is not None:
        assert (got.loads, got.stores) == (expected.loads, expected.stores)
        assert (got.bytes_read, got.bytes_written) == (expected.bytes_read, expected.bytes_written)
        assert got.read_by_array == expected.read_by_array
        assert got.flash_lines == expected.flash_lines


@pytest.mark.parametrize("form", ["float32", "int8", "int16x8"])
def test_a_core_that_qemu_alone_has_gives_the_reference(tmp_path: pathlib.Path, form: str) -> None:
    network = random_network("lstm_peephole", (5, 9), outputs=3)
    given = random_input(network, 2, 9)
    twin = network if form == "float32" else edgelstm.quantize(network, given, form)
    path = edgelstm.write(twin, tmp_path / "net_c", target="cortex-m55")
    host, board = edgelstm.verify(path, n_sequences=3, steps=7).verified
    assert (host.status, board.runtime, board.status) == ("ok", "cortex-m55", "ok")
    assert board.values == 3 * 7 * 3


def test_nothing_is_written_beside_its_buffers(tmp_path: pathlib.Path) -> None:
    network = random_network("lstm", (5, 9, 3))
    q = edgelstm.quantize(network, random_input(network, 4, 20))
    path = edgelstm.write(q, tmp_path / "net_c", target="cortex-m55")
    file = open_core(path, {}, "cortex-m55")
    sizes = (file.folder.state_bytes, 5, 3)  # state, x, y
    first = file.machine.buffer(1) - sum(-(-n // 8) * 8 + GAP for n in sizes)
    for x_t in np.random.default_rng(0).integers(-128, 128, (4, 5)):
        file.step(x_t)
    for size in sizes:
        behind = -(-size // 8) * 8 + GAP - size
        assert file.machine.read(first + size, behind) == bytes([PAINT]) * behind
        first += size + behind


def test_the_kernel_in_assembly_counts_the_same_for_any_data(tmp_path: pathlib.Path) -> None:
    network = random_network("lstm", (5, 9))
    q = edgelstm.quantize(network, random_input(network, 4, 20))
    folder = open_folder(edgelstm.write(q, tmp_path / "net_c", target="cortex-m55"))
    image = Image(image_of(folder, "cortex-m55"))
    first, second = (
        count(folder, "cortex-m55", image, np.random.default_rng(k).integers(-128, 128, (2, 5)))
        for k in range(2)
    )
    assert first.by_function == second.by_function


def test_what_faults_or_does_not_end_crashes(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgelstm.runtimes.emulated.qemu.MOST_SECONDS", 1)
    path = edgelstm.write(random_network("rnn", (2, 3)), tmp_path / "net_c", target="cortex-m55")
    source, begin = path / "src" / "net.c", "    NET_ON_STEP_BEGIN();\n"
    text = source.read_text()
    source.write_text(text.replace(begin, f"{begin}    *(float *)0x08000000U = 1.0F;\n", 1))
    x = np.zeros((1, 1, 2), np.float32)
    with pytest.raises(Crashed, match="a fault in net_step at .* in net_step"):
        open_core(path, {}, "cortex-m55").run(x)
    source.write_text(text.replace(begin, "    for (;;) { *(volatile float *)y = 0.0F; }\n", 1))
    with pytest.raises(Crashed, match="no end within 1 s in net_step"):
        open_core(path, {}, "cortex-m55").run(x)


def test_a_newer_one_runs_and_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    assert counting_obstacle("cortex-m55") is None
    monkeypatch.setattr("edgelstm.runtimes.emulated.qemu.version", lambda: "10.0.2")
    assert counting_obstacle("cortex-m4") is None
    with pytest.raises(ModelError, match="10.0.2 does not take the plugin that counts"):
        check_core("cortex-m55")


def test_without_it_the_row_is_skipped_with_the_install_line(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = edgelstm.write(random_network("rnn", (2, 3)), tmp_path / "net_c", target="cortex-m55")
    monkeypatch.setattr("shutil.which", lambda name: None)
    told = "qemu-system-arm is not installed: apt-get install qemu-system-arm"
    assert RUNTIMES["cortex-m55"].obstacle == told
    _, found = edgelstm.verify(path, n_sequences=1, steps=2).verified
    assert (found.status, found.reason) == ("skipped", told)
