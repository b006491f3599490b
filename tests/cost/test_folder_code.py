"""What is said of a folder of C before it is written holds for the image that is linked of it."""

import json
import pathlib
from typing import Any

import pytest

import edgelstm
from edgelstm.cost.count_ops import count
from edgelstm.cost.folder_code import CODE, code_of
from edgelstm.cost.memory import FOLDER, fit, folder_need, memory_map
from edgelstm.devices.device import read_device
from edgelstm.runtimes.emulated.image import Image
from edgelstm.runtimes.emulated.opened import loaded
from edgelstm.runtimes.emulated.toolchain import image_of
from edgelstm.runtimes.folder import open_folder
from tests.networks import random_input, random_network
from tests.present import skip_without

NETWORKS = {
    "lstm int8": ("lstm", (5, 33, 16), 0, "int8"),
    "gru int8": ("gru", (12, 24), 4, "int8"),
    "peepholes int16x8": ("lstm_peephole", (5, 9, 7), 0, "int16x8"),
    "lstm float32": ("lstm", (12, 24, 8), 4, "float32"),
}
QUICK = [(core, name) for core in ("cortex-m0plus", "cortex-m4") for name in NETWORKS]
QUICK += [("cortex-m55", "lstm int8")]
SLOW = [(core, name) for core in CODE for name in NETWORKS if (core, name) not in QUICK]


def check(place: pathlib.Path, core: str, name: str) -> None:
    skip_without(core)
    pytest.importorskip("ziglang", reason='pip install "edgelstm[mcu]"')
    cell, sizes, outputs, precision = NETWORKS[name]
    network: Any = random_network(cell, sizes, outputs=outputs)
    if precision != "float32":
        network = edgelstm.quantize(network, random_input(network, 4, 20), precision)
    folder = open_folder(edgelstm.write(network, place / "net_c", target=core))
    image, counts = Image(image_of(folder, core)), count(network, precision=precision)
    need, file = folder_need(counts, core), loaded(folder, core, image)
    file.step(random_input(network, 1, 1)[0, 0])
    code = image.flash_bytes - counts.total.weight_bytes - counts.total.bias_bytes
    most = code_of(counts, core).flash_bytes(counts)
    assert code <= most <= 1.8 * code
    assert folder.state_bytes <= need.state_bytes
    assert file.machine.stack_bytes <= need.stack_bytes


@pytest.mark.parametrize(("core", "name"), QUICK)
def test_code_and_stack_are_at_most_what_is_said(
    tmp_path: pathlib.Path, core: str, name: str
) -> None:
    check(tmp_path, core, name)


@pytest.mark.slow
@pytest.mark.parametrize(("core", "name"), SLOW)
def test_it_holds_on_every_core_that_was_measured(
    tmp_path: pathlib.Path, core: str, name: str
) -> None:
    check(tmp_path, core, name)


@pytest.mark.parametrize("precision", ["int8", "float32"])
def test_a_core_that_was_not_measured_gets_more_than_plain_c_has(precision: str) -> None:
    counts = count(random_network("gru", (12, 24)), precision=precision)
    plain = ("cortex-m0plus", "cortex-m3", "rv32imc")
    most = max(code_of(counts, core).flash_bytes(counts) for core in plain)
    assert code_of(counts, "rxv2").flash_bytes(counts) >= most


@pytest.mark.parametrize("precision", ["int8", "float32"])
def test_parts_add_up_to_the_fit(precision: str) -> None:
    counts = count(random_network("lstm", (5, 9), outputs=3), precision=precision)
    device = read_device("nrf52840")
    got = fit(counts, device, steps=50, runtime=FOLDER)
    parts = memory_map(counts, device, steps=50, runtime=FOLDER)
    sums = [sum(p.size_bytes or 0 for p in parts if p.memory == m) for m in ("flash", "ram")]
    assert sums == [got.flash_bytes, got.ram_bytes]
    assert got.ram_bytes == fit(counts, device, steps=1, runtime=FOLDER).ram_bytes
    assert json.dumps(got.to_dict()) and "upper bound for the folder of C" in got.basis
