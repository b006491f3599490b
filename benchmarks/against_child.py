"""What `against` starts once for each tree, with the modules of that tree.

This file is that of the newer one: it uses nothing but the standard library and `contestants`.
"""

import json
import pathlib
import sys
import time
from collections.abc import Iterator
from typing import Any

MODES = ("sequence", "step")


def _calls(size: tuple[int, int]) -> Iterator[tuple[str, Any]]:
    from benchmarks.contestants import ours, task

    for one in ours(task(*size)):
        for mode in MODES:
            if getattr(one, mode) is not None:
                yield f"{one.name}, {mode}", getattr(one, mode)


def main() -> None:
    """Answers each line [name, calls] with the microseconds of a call."""
    import edgelstm

    calls = dict(_calls((int(sys.argv[1]), int(sys.argv[2]))))
    package = str(pathlib.Path(edgelstm.__file__).parent)
    print(json.dumps({"package": package, "names": list(calls)}), flush=True)
    for line in sys.stdin:
        name, count = json.loads(line)
        function = calls[name]
        function()
        start = time.process_time_ns()
        for _ in range(count):
            function()
        print((time.process_time_ns() - start) / count / 1e3, flush=True)


if __name__ == "__main__":
    main()
