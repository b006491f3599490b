"""Values of options: lists and ranges such as `8,16,32` and `8:128:8`, both ends included."""

from edgelstm.errors import ModelError

MOST = 1_000_000  # values of a range; more is a slip of the keyboard


def whole_numbers(text: str, option: str) -> tuple[int, ...]:
    """The numbers of a list, a range FIRST:LAST[:STEP], or lists of both.

    Args:
        text: As it was given.
        option: How errors call it.

    Raises:
        ModelError: No whole numbers above 0, or a range that is empty.

    >>> whole_numbers("4:64:20", "--hidden"), whole_numbers("8,16:18", "--hidden")
    ((4, 24, 44, 64), (8, 16, 17, 18))
    """
    found: list[int] = []
    for part in text.split(","):
        found += _range(part.strip(), option)
    return tuple(dict.fromkeys(found))


def _range(part: str, option: str) -> range:
    ends = part.split(":")
    if len(ends) > 3 or not all(end.strip().isascii() and end.strip().isdigit() for end in ends):
        raise ModelError(
            f"{option}: '{part}' is neither a whole number nor a range FIRST:LAST or "
            "FIRST:LAST:STEP of whole numbers above 0"
        )
    first, *more = (int(end) for end in ends)
    last, step = (*more, first, 1)[:2] if len(more) != 1 else (more[0], 1)
    if first < 1 or step < 1:
        raise ModelError(f"{option}: '{part}' has a 0; whole numbers above 0 are needed")
    if last < first:
        raise ModelError(f"{option}: '{part}' is backwards; give {last}:{first}")
    if (last - first) // step >= MOST:
        raise ModelError(f"{option}: '{part}' has more than {MOST:,} numbers; give a larger step")
    return range(first, last + 1, step)


def names(text: str | None) -> tuple[str, ...] | None:
    """The words between commas; None where nothing was given."""
    return None if text is None else tuple(name.strip() for name in text.split(","))


def waiting(sleep: str | None, period_ms: float | None) -> str:
    """How a device waits, in deep sleep if nothing is said.

    Raises:
        ModelError: It is said, and without a period nothing waits.
    """
    if sleep is not None and period_ms is None:
        raise ModelError("--sleep needs --period-ms: how often a step is computed")
    return sleep or "deep"
