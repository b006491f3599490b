"""Devices that ship, and what is said about files of one's own."""

import pathlib
import re
import time

import pytest

from edgelstm.devices.device import (
    Device,
    check_exportable,
    device_names,
    read_device,
)
from edgelstm.devices.keys import BASES, FIGURES
from edgelstm.errors import DeviceError

FIGURE = '{{ low = {}, typical = {}, high = {}, basis = "measured", source = "a meter" }}'
CLOCK = FIGURE.format(100, 100, 100)
BOARD = f"""name = "my-board"
kind = "mcu"
core = "cortex-m4"

[clock]
mhz = {CLOCK}
"""
POWER = "\n[power]\nactive_mw = "

# Between which values a figure of this unit is plausible.
PLAUSIBLE = {
    "mhz": (10, 3000),
    "kib": (4, 16384),
    "mib": (256, 65536),
    "mb_per_s": (500, 50000),
    "v": (0.5, 6),
    "mw": (0.5, 1000),
    "us_step": (0.5, 10000),
    "us_step_raw": (0.5, 10000),
    "us_sequence": (0.5, 10000),
    "us_layer": (0.001, 100),
    "us_layer_composed": (0.001, 100),
    "at_once_float32": (1, 64),
    "at_once_hybrid": (1, 64),
    "at_once_int8": (1, 64),
    "at_once_int8_composed": (1, 64),
    "_us_float32": (10, 1e6),
    "_us_hybrid": (10, 1e6),
    "_us_int8": (10, 1e6),
    "_us_int8_composed": (10, 1e6),
    "ua_per_mhz": (2, 500),
    "w": (0.3, 20),
    "ua": (0.3, 2000),
    "mac_int8": (0.3, 20),
    "mac_float32": (2, 30),
    "percent": (5, 100),
    "edgelstm": (0.01, 1),
    "cmsis_nn": (0.01, 1),
    "cycle_int8": (0.5, 64),
    "cycle_float32": (0.5, 32),
}


@pytest.fixture
def board(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "my-board.toml"


def said(path: pathlib.Path, text: str) -> str:
    path.write_text(text)
    with pytest.raises(DeviceError) as caught:
        read_device(path)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_all_devices_of_the_interface_ship() -> None:
    expected = {"stm32l4r5", "stm32u575", "stm32u385", "stm32h7a3", "nrf52840", "rp2040"}
    expected |= {"esp32c3", "rpi-zero-2w", "rpi-3b-plus", "rpi-4b", "rpi-5"}
    assert expected <= set(device_names())
    assert device_names() == sorted(device_names())


@pytest.mark.parametrize("name", device_names())
def test_shipped_figures_are_plausible_and_have_sources(name: str) -> None:
    device = read_device(name)
    assert device.name == name
    for key, figure in device.figures.items():
        unit = next(u for u in sorted(PLAUSIBLE, key=len, reverse=True) if key.endswith(u))
        low, high = PLAUSIBLE[unit]
        assert low <= figure.low <= figure.typical <= figure.high <= high, key
        assert figure.basis in BASES
        assert len(figure.source) > 10, key
        assert not re.search(r"KNOWN|FOUND|DERIVED|ASSUMPTION|\.csv", figure.source), key
        if "from memory of" in figure.source or "not checked" in figure.source:
            assert figure.basis == "assumed" or "Zephyr" in figure.source, key


def test_every_figure_has_a_unit_that_the_plausibility_test_knows() -> None:
    assert [key for key in FIGURES if not key.endswith(tuple(PLAUSIBLE))] == []


def test_published_power_is_read_as_published() -> None:
    power = read_device("stm32u575").figure("power.active_mw")
    assert power is not None
    assert (power.low, power.typical, power.high, power.basis) == (24.02, 24.7, 26.78, "measured")
    assert "MLPerf Tiny" in power.source


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(DeviceError, match=r"'stm32u757' is unknown; nearest: stm32u575.*`edgelstm"):
        read_device("stm32u757")
    with pytest.raises(DeviceError, match="`edgelstm devices` lists all"):
        read_device("")


def test_context_only_devices_are_refused_for_export() -> None:
    with pytest.raises(DeviceError, match="listed for comparison only"):
        check_exportable(read_device("gap9-065v"))
    check_exportable(read_device("stm32u575"))


def test_own_file_needs_name_kind_core_and_clock_only(board: pathlib.Path) -> None:
    board.write_text(BOARD)
    device = read_device(board)
    assert isinstance(device, Device)
    assert (device.name, device.kind, device.core, device.n_cores) == (
        *("my-board", "mcu", "cortex-m4"),
        1,
    )
    assert device.clock.typical == 100
    assert device.figure("power.active_mw") is None
    assert device.energy_answer == "interval"
    assert read_device(str(board)) == device


def test_interval_out_of_order_is_shown(board: pathlib.Path) -> None:
    got = said(board, BOARD + POWER + FIGURE.format("12.0", 9.5, 9.5))
    assert got == (
        "my-board.toml: power.active_mw: low 12.0 is above high 9.5; "
        "an interval needs low <= typical <= high"
    )
    assert "typical 13.0 is above high 9.5" in said(
        board, BOARD + POWER + FIGURE.format(1, 13, 9.5)
    )


@pytest.mark.parametrize(
    ("figure", "expected"),
    [
        ('{ low = 1, typical = 2, high = 3, basis = "measured" }', "power.active_mw: source miss"),
        ('{ basis = "measured", source = "s" }', "power.active_mw: low, typical, high missing"),
        ("12", "power.active_mw is 12; it must be { low"),
        (FIGURE.format('"ten"', 1, 1), "power.active_mw: low is 'ten'; a number above 0"),
        (FIGURE.format("true", 1, 1), "power.active_mw: low is True; a number"),
        (FIGURE.format("nan", 1, 1), "power.active_mw: low is nan; a number"),
        (FIGURE.format(0, 1, 1), "power.active_mw: low is 0; a number above 0"),
        (FIGURE.format(1, 1, "1" * 400), "a number above 0 is needed"),
        (FIGURE.format(1, 1, 1).replace("measured", "guess"), "basis is 'guess'; it must be one"),
        (FIGURE.format(1, 1, 1).replace("a meter", " "), "power.active_mw: source is ' '"),
        (FIGURE.format(1, 1, 1).replace("source", "from"), "power.active_mw: source missing"),
        (FIGURE.format(1, 1, 1).replace(" }", ", year = 1 }"), "year unknown"),
    ],
)
def test_broken_figures_are_named(board: pathlib.Path, figure: str, expected: str) -> None:
    got = said(board, BOARD + POWER + figure)
    assert got.startswith("my-board.toml: ")
    assert expected in got


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (BOARD + "\n[power]\nactive_w = 1", "power.active_w is unknown; the nearest key is power"),
        ('name = "x"', "kind, core, clock.mhz missing"),
        (BOARD.replace("cortex-m4", "cortex-m-4"), "the nearest is 'cortex-m4'"),
        (BOARD.replace('"mcu"', "3"), "kind is 3; text is needed"),
        ("cores = 0\n" + BOARD, "cores is 0; a whole number"),
        ("cores = [" + "[" * 5000, "is not TOML"),
        ("name = ", "is not TOML"),
        ("x = " + "9" * 5000, "is not TOML"),
        ("x = { " + "a." * 30_000 + "a = 1 }", "is not TOML: a line has more than 100 dots"),
        ("x." * 30_000 + "a = 1", "is not TOML: a line has more than 100 dots"),
        ("x = " + "{ a = " * 5000, "is not TOML"),
        ("cores = [0x" + "f" * 9000 + "]\n" + BOARD, "cores is a number with more digits than"),
        (
            BOARD.replace("typical = 100", "typical = [0x" + "f" * 9000 + "]"),
            "a number with more digits",
        ),
        (BOARD.replace('"mcu"', '"m\\nc' + "u" * 9000 + '"'), "kind is 'm\\ncu"),
        ('"a\\nb" = 1\n' + BOARD, "'a\\nb' is unknown"),
        (BOARD.replace("typical = 100", 'typical = 100, "ty\\np" = 1'), "'ty\\np' unknown"),
    ],
)
def test_broken_files_are_refused_in_one_line(
    board: pathlib.Path, text: str, expected: str
) -> None:
    assert expected in said(board, text)


def test_a_text_may_hold_many_sentences(board: pathlib.Path) -> None:
    board.write_text('note = "' + "A sentence. " * 90 + '"\n' + BOARD, "utf-8")
    assert read_device(board).texts["note"].count(".") == 90


DOTS = ".".join(["a"] * 100)


@pytest.mark.parametrize(
    ("first", "line"),
    [
        (f"[{DOTS}]", f"{DOTS}.k{{n}} = 1"),
        ("", f"{DOTS}.k{{n}} = 1"),
        ("", f"k{{n}} = {{{{ {DOTS} = 1 }}}}"),
    ],
)
def test_the_most_dots_take_little_time(board: pathlib.Path, first: str, line: str) -> None:
    text = "\n".join([first, *(line.format(n=n) for n in range(300))])
    start = time.process_time()
    assert "unknown" in said(board, text)
    assert time.process_time() - start < 3


def test_unreadable_files_are_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(DeviceError, match="does not exist"):
        read_device(tmp_path / "absent.toml")
    folder = tmp_path / "folder.toml"
    folder.mkdir()
    with pytest.raises(DeviceError, match="is a folder"):
        read_device(folder)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DeviceError, match="cannot be read as text"):
        read_device(binary)
    large = tmp_path / "large.toml"
    large.write_bytes(b"#" * (1 << 20) + b"#")
    with pytest.raises(DeviceError, match="at most 65,536 B are read"):
        read_device(large)
