"""Tables as notebooks show them."""

import html
from collections.abc import Iterable, Sequence

from edgelstm.printable import printable


def html_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of texts; the first column is a heading, the others are right-aligned.

    >>> html_table("Sizes", ("", "B"), [("h & c", "3")]).count("h &amp; c")
    1
    """
    head = "".join(f"<th scope='col'>{_escaped(name)}</th>" for name in columns)
    body = "".join(
        f"<tr><th scope='row'>{_escaped(first)}</th>"
        + "".join(f"<td style='text-align:right'>{_escaped(cell)}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in rows
    )
    caption = f"<caption style='text-align:left'>{_escaped(title)}</caption>"
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _escaped(text: str) -> str:
    return html.escape(printable(text))
