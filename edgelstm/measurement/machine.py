"""The machine: what it is, and what on it spoils a figure. Files below a root, so that recorded
trees can be read as well; what is not there is None."""

import dataclasses
import os
import pathlib
import platform
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

from edgelstm.execution.caches import data_caches
from edgelstm.installed import BITS
from edgelstm.measurement.results import Change, Machine, Throttled

ROOT = pathlib.Path("/")
VCGENCMD_S = 2.0
# Bits of `vcgencmd get_throttled`, https://www.raspberrypi.com/documentation/computers/os.html;
# those that hold since the start stand 16 higher.
THROTTLED = {
    0: "under-voltage",
    1: "frequency capped",
    2: "throttled",
    3: "soft temperature limit",
}
REMEDY = {
    "under-voltage": "use the supply that its maker names, and a short cable",
    "frequency capped": "cool it, or use a stronger supply",
    "throttled": "cool it, and wait until it is cold",
    "soft temperature limit": "cool it",
}
OTHERS_SHARE = 0.05
EMULATES = ", which emulates "
CPUFREQ = "sys/devices/system/cpu/cpu{}/cpufreq"


@dataclasses.dataclass(frozen=True)
class Moment:
    """What changes: MHz, degrees Celsius, load of the last minute, megabytes that are free."""

    frequency_mhz: float | None
    temperature_c: float | None
    load: float | None
    memory_mb: float | None
    throttled: Throttled | None


def moment(cpu: int, root: pathlib.Path = ROOT) -> Moment:
    """What holds now, of one of the processors."""
    khz = _number(root / CPUFREQ.format(cpu) / "scaling_cur_freq")
    millidegrees = _number(root / "sys/class/thermal/thermal_zone0/temp")
    load = _text(root / "proc/loadavg")
    return Moment(
        None if khz is None else khz / 1e3,
        None if millidegrees is None else millidegrees / 1e3,
        float(load.split()[0]) if load else None,
        _available_mb(root),
        throttled(),
    )


def machine(
    cpu: int, before: Moment, versions: dict[str, str], root: pathlib.Path = ROOT
) -> Machine:
    """What it is, with what held `before` and holds now."""
    now = moment(cpu, root)
    names = ("frequency_mhz", "temperature_c", "load", "memory_mb")
    changes: Any = {name: Change(getattr(before, name), getattr(now, name)) for name in names}
    return Machine(
        cpu=_cpu(root),
        board=board(root),
        interpreter_bits=BITS,
        os=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        versions=versions,
        governor=_text(root / CPUFREQ.format(cpu) / "scaling_governor"),
        throttled=now.throttled,
        throttled_before=before.throttled,
        last_level_kib=last_level_kib(root),
        **changes,
    )


def warnings(found: Machine, others: float | None) -> Iterator[str]:
    """What spoils the figures, each with its remedy.

    Args:
        found: Before and after.
        others: Share of the wall time in which the measuring process did not run, or None.
    """
    if EMULATES in (found.cpu or ""):
        yield "an emulator runs this Python, so no time here is one of a board: measure on a board"
    for text in found.throttled.now if found.throttled else ():
        yield f"{text} while it was measured: {REMEDY[text]}, then measure again"
    before = found.throttled_before.since_start if found.throttled_before else ()
    for text in found.throttled.since_start if found.throttled else ():
        if text not in before:
            yield f"{text} at times while it was measured: {REMEDY[text]}, then measure again"
    if found.governor in ("powersave", "ondemand", "conservative", "schedutil"):
        yield (
            f"the clock's governor is '{found.governor}', so the clock changes: "
            f"echo performance | sudo tee /{CPUFREQ.format('*')}/scaling_governor"
        )
    if others is not None and others > OTHERS_SHARE:
        yield (
            f"{others:.0%} of the time other programs ran on this core: end them, or choose "
            "another core with --cpu; ratios are of CPU time, medians of wall time"
        )


def board(root: pathlib.Path = ROOT) -> str | None:
    """A board's model, as its firmware says it."""
    found = _text(root / "proc/device-tree/model")
    return found.rstrip("\0 ") if found else None


def _cpu(root: pathlib.Path) -> str | None:
    """The model's name, or on ARM the number of the part; QEMU shows an x86 processor's file."""
    values: dict[str, str] = {}
    for line in (_text(root / "proc/cpuinfo") or "").splitlines():
        key, _, value = line.partition(":")
        values.setdefault(key.strip(), value.strip())
    part = f"ARM part {values['CPU part']}" if "CPU part" in values else None
    name = values.get("model name") or part or platform.processor() or None
    own = platform.machine()
    return f"{name}{EMULATES}{own}" if own[:3] in ("arm", "aar") and "vendor_id" in values else name


def last_level_kib(root: pathlib.Path = ROOT) -> float | None:
    """Of the first processor's highest cache."""
    found = data_caches(root)
    return found[-1].size_bytes / 1024 if found else None


def throttled() -> Throttled | None:
    """What `vcgencmd get_throttled` says; None where there is none."""
    command = shutil.which("vcgencmd")
    if command is None:
        return None
    try:
        ran = subprocess.run(
            [command, "get_throttled"], capture_output=True, text=True, timeout=VCGENCMD_S
        )
        bits = int(ran.stdout.strip().removeprefix("throttled="), 16)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return Throttled(
        tuple(text for bit, text in THROTTLED.items() if bits >> bit & 1),
        tuple(text for bit, text in THROTTLED.items() if bits >> bit >> 16 & 1),
    )


def _available_mb(root: pathlib.Path) -> float | None:
    for line in (_text(root / "proc/meminfo") or "").splitlines():
        if line.startswith("MemAvailable:"):
            return round(float(line.split()[1]) / 1024, 1)
    return None


def _text(path: pathlib.Path) -> str | None:
    try:
        return path.read_text("utf-8", "replace").strip() or None
    except OSError:
        return None


def _number(path: pathlib.Path) -> float | None:
    try:
        return float(_text(path) or "")
    except ValueError:
        return None


def allowed_cpus() -> list[int]:
    """Processors that this process may use, in order."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))
