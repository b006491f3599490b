"""Reads the tables of a page, without the code that wrote it."""

import html.parser


class Tables(html.parser.HTMLParser):
    """Table rows as lists of texts, by the table's `data-layer` or caption, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: list[tuple[str, list[list[str]]]] = []
        self.links: list[str] = []
        self._cell: list[str] | None = None
        self._caption = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.links += [str(given[k]) for k in ("src", "href", "xlink:href") if given.get(k)]
        if tag == "table":
            self.tables.append((given.get("data-layer") or "", []))
        elif tag == "tr":
            self.tables[-1][1].append([])
        elif tag in ("th", "td"):
            self._cell = []
        elif tag == "caption":
            self._caption = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("th", "td") and self._cell is not None:
            self.tables[-1][1][-1].append(" ".join("".join(self._cell).split()))
            self._cell = None
        elif tag == "caption":
            self._caption = False

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)
        elif self._caption and not self.tables[-1][0]:
            self.tables[-1] = (data, self.tables[-1][1])

    def named(self, name: str) -> list[list[str]]:
        return next(rows for found, rows in self.tables if found == name)
