"""Numbers from JSON and metadata, where anything can stand in a number's place."""

import re

from edgelstm.errors import ModelError

LARGEST_FLOAT32 = 3.4028234663852886e38


def whole(stated: object, name: str, limits: tuple[int, int]) -> int:
    """A whole number of a file.

    Args:
        stated: As JSON gives it.
        name: How errors call it.
        limits: The smallest and the largest that is read.

    Raises:
        ModelError: Fractions, also 1.0; truth values; texts; what lies outside of the limits.
    """
    if isinstance(stated, bool) or not isinstance(stated, int) or not _within(stated, limits):
        low, high = limits
        raise ModelError(
            f"{name} is {_shown(stated)}; a whole number from {low:,} to {high:,} is needed"
        )
    return stated


def whole_text(text: str, name: str, limits: tuple[int, int]) -> int:
    """A whole number of a file that states it as text; errors as those of `whole`.

    >>> whole_text("-128", "zero point", (-128, 127))
    -128
    """
    said = str(text)  # protobuf gives bytes where a text is not UTF-8
    return whole(int(said) if re.fullmatch("-?[0-9]{1,18}", said) else said, name, limits)


def real(stated: object, name: str) -> float:
    """A number of a file; `ModelError` unless it is finite and float32 holds it."""
    is_number = isinstance(stated, int | float) and not isinstance(stated, bool)
    if not is_number or not _within(stated, (-LARGEST_FLOAT32, LARGEST_FLOAT32)):
        raise ModelError(f"{name} is {_shown(stated)}; a number that float32 holds is needed")
    return float(stated)  # type: ignore[arg-type]


def _within(number: object, limits: tuple[float, float]) -> bool:
    return bool(limits[0] <= number <= limits[1])  # type: ignore[operator]


def _shown(stated: object) -> str:
    """In a few characters; integers beyond some thousand digits cannot be written."""
    try:
        text = repr(stated)
    except ValueError:
        return "a number of many digits"
    return text if len(text) <= 40 else f"{text[:37]}..."
