"""`python -m tests.fuzz DOOR COUNT SEED [--sums FILE] [--keep FOLDER]`; DOOR may be `all`.

With `all` the files are shared out to the doors alike. With --sums each door and seed is a line of
a file; what stands there already is not run again, and the sums are over all of the file. Exit
status 1 if any file was a fault: those stay in --keep.
"""

import argparse
import dataclasses
import json
import pathlib
import sys
import tempfile
from typing import Any

from tests.fuzz import parts
from tests.fuzz.doors import DOORS


def main() -> int:
    """Runs the parts and prints a line per door."""
    options = _options()
    doors = list(DOORS) if options.door == "all" else [options.door]
    share = -(-options.count // len(doors))
    known = _known(options.sums)
    folder = options.keep or pathlib.Path(tempfile.mkdtemp(prefix="edgelstm-fuzz-"))
    folder.mkdir(parents=True, exist_ok=True)
    for door in doors:
        if (door, options.seed, share) in known:
            continue
        part = dataclasses.asdict(parts.run(door, options.seed, share, folder))
        known[door, options.seed, share] = part
        if options.sums:
            with options.sums.open("a") as file:
                file.write(json.dumps(part) + "\n")
        for fault in part["faults"]:
            print("FAULT", *fault.values(), flush=True)
    faults = _print_sums(list(known.values()))
    if faults:
        print(f"files with faults: {folder}")
    parts.clean(folder)
    return int(bool(faults))


def _options() -> Any:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("door", choices=[*DOORS, "all"])
    parser.add_argument("count", type=int)
    parser.add_argument("seed", type=int)
    parser.add_argument("--sums", type=pathlib.Path)
    parser.add_argument("--keep", type=pathlib.Path)
    return parser.parse_args()


def _known(path: pathlib.Path | None) -> dict[tuple[str, int, int], dict[str, Any]]:
    lines = path.read_text().splitlines() if path and path.exists() else []
    found = [json.loads(line) for line in lines]
    return {(part["door"], part["seed"], part["count"]): part for part in found}


def _print_sums(done: list[dict[str, Any]]) -> int:
    """A line per door and one for all; returns how many files were faults."""
    print(f"{'door':12}{'files':>8}{'read':>8}{'refused':>9}{'faults':>8}{'peak MiB':>10}{'s':>8}")
    for door in dict.fromkeys(part["door"] for part in done):
        _print_row(door, [part for part in done if part["door"] == door])
    return _print_row("all", done)


def _print_row(name: str, done: list[dict[str, Any]]) -> int:
    files = sum(part["count"] for part in done)
    read, refused = (sum(p["statuses"].get(s, 0) for p in done) for s in parts.GOOD)
    faults = sum(len(part["faults"]) for part in done)
    peak = max((part["peak_mib"] for part in done), default=0)
    seconds = sum(part["seconds"] for part in done)
    print(f"{name:12}{files:8,}{read:8,}{refused:9,}{faults:8,}{peak:10,}{seconds:8.0f}")
    return faults


if __name__ == "__main__":
    sys.exit(main())
