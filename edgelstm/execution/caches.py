"""Data caches of this machine's first processor, from the files of Linux."""

import dataclasses
import pathlib

ROOT = pathlib.Path("/")
CPU = "sys/devices/system/cpu/cpu0"
UNITS = {"K": 1 << 10, "M": 1 << 20}


@dataclasses.dataclass(frozen=True)
class Cache:
    """A data cache, or one for both.

    Attributes:
        level: 1 is the nearest to the core.
        size_bytes: Of all of it.
        is_private: Whether one core has it for itself.
    """

    level: int
    size_bytes: int
    is_private: bool


def data_caches(root: pathlib.Path = ROOT) -> list[Cache]:
    """In the order of their levels; none where the files are not there.

    Args:
        root: What the files lie below, so that a recorded tree can be read as well.
    """
    found = []
    core = _text(root / CPU / "topology/thread_siblings_list")
    for index in (root / CPU / "cache").glob("index*"):
        level, size = _text(index / "level"), _text(index / "size")
        is_known = level.isdigit() and size[:-1].isdigit() and size[-1] in UNITS
        if is_known and _text(index / "type") != "Instruction":
            size_bytes = int(size[:-1]) * UNITS[size[-1]]
            sharers = _text(index / "shared_cpu_list")
            found.append(Cache(int(level), size_bytes, bool(core) and sharers == core))
    return sorted(found, key=lambda cache: cache.level)


def private_bytes(root: pathlib.Path = ROOT) -> int | None:
    """Of the largest cache that a core has for itself; None where it is not known."""
    return max((c.size_bytes for c in data_caches(root) if c.is_private), default=None)


def _text(path: pathlib.Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""
