"""What commands share in writing: consoles, progress on standard error, JSON."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

WIDTH = 100

Tell = Callable[[str], None]


@contextmanager
def progress(quiet: bool) -> Iterator[Tell]:
    """A function that says on standard error what is going on: one line that changes, or lines."""
    if quiet:
        yield lambda text: None
        return
    from rich.console import Console

    console = Console(stderr=True, soft_wrap=True, highlight=False)
    if not console.is_terminal:
        yield lambda text: console.print(f"{text} ...", markup=False)
        return
    with console.status("starting") as status:
        yield lambda text: status.update(text)


def warn(text: str) -> None:
    """One line on standard error."""
    print(f"warning: {text}", file=sys.stderr)


def exit_code(failures: Sequence[str]) -> int:
    """1, with one line on standard error, if a check failed; else 0."""
    if failures:
        print(f"failed: {'; '.join(failures)}", file=sys.stderr)
    return int(bool(failures))


def console() -> Any:
    """Standard output, at most 100 columns."""
    from rich.console import Console

    made = Console(highlight=False)
    return Console(highlight=False, width=min(WIDTH, made.width) if made.is_terminal else WIDTH)


def print_json(value: Any) -> None:
    """One object on standard output; NaN and infinity are a bug."""
    print(json.dumps(value, indent=2, allow_nan=False))
