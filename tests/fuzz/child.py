"""The process that takes files: `python -m tests.fuzz.child DOOR SEED FIRST LAST STEP FOLDER`.

Prints a line before each file, `>k`, and one behind it: `k status peak_mib words`. A file depends
on door, seed and k alone.
"""

import os
import pathlib
import random
import resource
import sys
import traceback
import warnings

from edgelstm.errors import DeviceError, ModelError
from tests.fuzz.doors import DOORS, Door


def main(door_name: str, seed: int, numbers: range, folder: pathlib.Path) -> None:
    """Takes each file; what standard output gets besides is in no line of its own."""
    warnings.simplefilter("error")
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    door = DOORS[door_name]
    good = {suffix: tuple(door.good(suffix)) for suffix in door.suffixes}
    check_good(door, good, folder)
    for k in numbers:
        rng = random.Random(f"{door_name} {seed} {k}")
        suffix = rng.choice(door.suffixes)
        content = rng.choice(good[suffix])
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            content = mutated(door, content, rng)
        path = folder / f"{door_name}{k}{suffix}"
        path.write_bytes(content)
        print(f">{k}", file=answers)
        status, words = take(door, path)
        peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(k, status, peak_mib, words, file=answers)
        if status in ("read", "refused"):
            path.unlink()


def check_good(door: Door, good: dict[str, tuple[bytes, ...]], folder: pathlib.Path) -> None:
    """Each good file is taken; what they need is compiled then."""
    for suffix, contents in good.items():
        for content in contents:
            path = folder / f"good{os.getpid()}{suffix}"
            path.write_bytes(content)
            door.use(path)
            path.unlink()


def mutated(door: Door, content: bytes, rng: random.Random) -> bytes:
    """Broken once more; what is too broken for the door's own way loses some bytes."""
    from tests.fuzz.mutations import some_bytes

    try:
        return door.mutate(content, rng)
    except Exception:  # the second break of a file whose structure the first one broke
        return some_bytes(content, rng)


def take(door: Door, path: pathlib.Path) -> tuple[str, str]:
    """What came of a file, in one word and in one line."""
    try:
        door.use(path)
    except (ModelError, DeviceError) as error:
        said = str(error)
        return ("refused", "") if said and "\n" not in said else ("lines", repr(said))
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{pathlib.Path(place.filename).name}:{place.lineno}"
        return type(error).__name__, f"{where} {' '.join(str(error).split())[:300]!r}"
    return "read", ""


if __name__ == "__main__":
    word, number, first, last, step, place = sys.argv[1:]
    main(word, int(number), range(int(first), int(last), int(step)), pathlib.Path(place))
