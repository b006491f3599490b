"""A pin that is high during a window, for a logger that sees it: `--trigger gpiochip0:17`.

By libgpiod's Python package (gpiod 2). The pin rises and falls in the process that repeats the
steps, right before and behind them.
"""

import contextlib
import re
from collections.abc import Callable, Iterator

from edgelstm.errors import ModelError
from edgelstm.installed import check_installed

PIN = re.compile(r"(?:/dev/)?(gpiochip\d+):(\d+)")
Set = Callable[[bool], None]


def check_trigger(pin: str) -> None:
    """`ModelError` unless the pin can be driven here; it is low afterwards."""
    check_installed("gpiod", "--trigger")
    try:
        with driven(pin):
            pass
    except OSError as error:
        raise ModelError(str(error)) from None


@contextlib.contextmanager
def driven(pin: str | None) -> Iterator[Set]:
    """What sets the pin; it is low before and behind, and nothing happens if there is none.

    Raises:
        ModelError: The pin is written otherwise.
        OSError: It is not there, is another program's, or may not be driven.
    """
    if pin is None:
        yield lambda high: None
        return
    import gpiod

    chip, line = _parsed(pin)
    low, high = gpiod.line.Value.INACTIVE, gpiod.line.Value.ACTIVE
    settings = gpiod.LineSettings(direction=gpiod.line.Direction.OUTPUT, output_value=low)
    try:
        request = gpiod.request_lines(chip, config={line: settings}, consumer="edgelstm bench")
    except (OSError, ValueError) as error:
        raise OSError(f"trigger {pin} cannot be driven: {_why(error, chip, line)}") from error
    with request:
        try:
            yield lambda is_high: request.set_value(line, high if is_high else low)
        finally:
            request.set_value(line, low)


def _parsed(pin: str) -> tuple[str, int]:
    match = PIN.fullmatch(pin)
    if match is None:
        raise ModelError(f"trigger '{pin}': a chip and a line are needed, such as gpiochip0:17")
    return f"/dev/{match[1]}", int(match[2])


def _why(error: OSError | ValueError, chip: str, line: int) -> str:
    if isinstance(error, FileNotFoundError):
        return f"there is no {chip}; `gpiodetect` lists chips (gpiochip4 on some Raspberry Pi 5)"
    if isinstance(error, PermissionError):
        return f"{chip} may not be opened: sudo usermod -aG gpio $USER, and log in again"
    if isinstance(error, ValueError):
        return f"{chip} has no line {line}; `gpioinfo` lists them"
    return f"{error.strerror or error}; `gpioinfo` says whose line {line} is"
