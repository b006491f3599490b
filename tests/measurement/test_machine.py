"""The machine, from recorded trees and a `vcgencmd` that is a script."""

import dataclasses
import pathlib
import platform

import pytest

from edgelstm.measurement import machine
from edgelstm.measurement.results import Throttled

PI_5 = {
    "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
    "proc/cpuinfo": "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\n",
    "proc/loadavg": "0.25 0.10 0.05 1/200 1234\n",
    "proc/meminfo": "MemTotal: 8245888 kB\nMemAvailable:    2048000 kB\n",
    "sys/devices/system/cpu/cpu3/cpufreq/scaling_cur_freq": "2400000\n",
    "sys/devices/system/cpu/cpu3/cpufreq/scaling_governor": "ondemand\n",
    "sys/class/thermal/thermal_zone0/temp": "51250\n",
    "sys/devices/system/cpu/cpu0/cache/index0/level": "1\n",
    "sys/devices/system/cpu/cpu0/cache/index0/type": "Data\n",
    "sys/devices/system/cpu/cpu0/cache/index0/size": "64K\n",
    "sys/devices/system/cpu/cpu0/cache/index1/level": "1\n",
    "sys/devices/system/cpu/cpu0/cache/index1/type": "Instruction\n",
    "sys/devices/system/cpu/cpu0/cache/index1/size": "64K\n",
    "sys/devices/system/cpu/cpu0/cache/index2/level": "3\n",
    "sys/devices/system/cpu/cpu0/cache/index2/type": "Unified\n",
    "sys/devices/system/cpu/cpu0/cache/index2/size": "2M\n",
}


def tree(folder: pathlib.Path, files: dict[str, str]) -> pathlib.Path:
    """A root with these files."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


def script(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A `vcgencmd` on the path that runs these lines of sh."""
    path = folder / "vcgencmd"
    path.write_text(f"#!/bin/sh\n{text}\n", "utf-8")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def test_a_raspberry_pi_is_read_from_its_files(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    script(tmp_path / "bin", monkeypatch, 'echo "throttled=0x50005"')
    root = tree(tmp_path / "root", PI_5)
    before = machine.moment(3, root)
    assert dataclasses.astuple(before)[:4] == (2400.0, 51.25, 0.25, 2000.0)
    got = machine.machine(3, before, {}, root)
    assert (got.board, got.cpu) == ("Raspberry Pi 5 Model B Rev 1.0", "ARM part 0xd0b")
    assert (got.governor, got.last_level_kib) == ("ondemand", 2048)
    told = ("under-voltage", "throttled")
    assert got.throttled == Throttled(told, told)


def test_what_spoils_figures_is_said_with_its_remedy(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    script(tmp_path / "bin", monkeypatch, 'echo "throttled=0x10001"')
    root = tree(tmp_path / "root", PI_5)
    before = dataclasses.replace(machine.moment(3, root), throttled=Throttled((), ()))
    found = machine.machine(3, before, {}, root)
    told = "; ".join(machine.warnings(found, 0.06))
    for part in ("under-voltage while", "at times", "'ondemand'", "6% of the time", "--cpu"):
        assert part in told
    quiet = dataclasses.replace(found, throttled=Throttled((), ()), governor="performance")
    assert list(machine.warnings(quiet, 0.05)) == []


def test_what_held_before_the_run_is_not_blamed_on_it(tmp_path: pathlib.Path) -> None:
    before = dataclasses.replace(
        machine.moment(0, tmp_path), throttled=Throttled((), ("throttled",))
    )
    found = machine.machine(0, before, {}, tmp_path)
    found = dataclasses.replace(found, throttled=Throttled((), ("throttled",)))
    assert list(machine.warnings(found, None)) == []


@pytest.mark.parametrize("own", ["armv7l", "aarch64", "x86_64"])
def test_times_of_an_emulator_are_said_to_be_none(
    own: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpuinfo = "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\n"
    root = tree(tmp_path, {"proc/cpuinfo": cpuinfo})
    monkeypatch.setattr(platform, "machine", lambda: own)
    got = machine.machine(0, machine.moment(0, root), {}, root)
    told = [text for text in machine.warnings(got, None) if "emulator" in text]
    if own == "x86_64":
        assert (got.cpu, told) == ("AMD EPYC", [])
    else:
        assert got.cpu == f"AMD EPYC, which emulates {own}" and len(told) == 1


def test_an_empty_machine_is_unknown_and_not_zero(tmp_path: pathlib.Path) -> None:
    got = machine.machine(0, machine.moment(0, tmp_path), {}, tmp_path)
    assert (got.board, got.governor, got.last_level_kib) == (None, None, None)
    assert got.frequency_mhz.before is got.temperature_c.after is got.load.after is None


@pytest.mark.parametrize("text", ["sleep 20", "exit 1", "echo error=1", "echo throttled=zz"])
def test_a_firmware_tool_that_fails_is_no_throttling(
    text: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "VCGENCMD_S", 0.2)
    script(tmp_path, monkeypatch, text)
    assert machine.throttled() is None
