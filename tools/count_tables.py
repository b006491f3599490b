"""Counts on the terminal: one row per gate beside its equation, then the cell, then totals."""

from collections.abc import Iterator, Sequence

from edgelstm.cells.text import equations
from edgelstm.cost.counts import LayerCounts, Row
from edgelstm.text import counted, percent
from edgelstm.tools.output import print_filled, print_heading
from edgelstm.tools.profile_report import ProfileReport, Share

OPERATIONS = ("macs", "adds", "muls", "sigmoids", "tanhs", "requantizations")
BYTES = (
    *("weight_bytes", "bias_bytes", "input_read_bytes", "state_read_bytes", "state_write_bytes"),
)
OPERATION_HEADINGS = (">MACs", ">adds", ">muls", ">sigmoid", ">tanh", ">rescale")
BYTE_HEADINGS = (">weight B", ">bias B", ">x read B", ">state read B", ">written B")
BAR = 20


def print_counts(report: ProfileReport) -> None:
    """Operations and bytes per step, and of a sequence where one was asked for."""
    answer, counts = report.answer, report.counts
    stored = f"{counts.parameters:,} stored parameters"
    print_heading(answer.model, f"{answer.precision}, {stored}, per step")
    shares = _shares(report.shares or ())
    for layer in counts.layers:
        title = f"{layer.name}: {described(layer)}"
        rows = [(row, label) for row, label in labelled(layer)]
        print_filled(
            title, ("", *OPERATION_HEADINGS), (_cells(row, x, OPERATIONS) for row, x in rows)
        )
        print_filled(
            f"{layer.name}: bytes, and the share of time and energy of {answer.device}",
            ("", *BYTE_HEADINGS, ">share", ""),
            (
                (
                    *_cells(row, row.name, BYTES),
                    *share_and_bar(shares.get((layer.name, row.name))),
                )
                for row, _ in rows
            ),
        )
    if len(counts.layers) > 1:
        _print_totals("All layers", counts.layers, counts.total)
    sequence = counts.sequence
    if sequence:
        title = f"A sequence of {counted(sequence.steps, 'step')}"
        _print_totals(title, sequence.layers, sequence.total)


def _print_totals(title: str, layers: Sequence[LayerCounts], total: Row) -> None:
    rows = [*((layer.total, layer.name) for layer in layers), (total, "total")]
    for suffix, headings, keys in (
        ("", OPERATION_HEADINGS, OPERATIONS),
        (": bytes", BYTE_HEADINGS, BYTES),
    ):
        print_filled(title + suffix, ("", *headings), (_cells(row, x, keys) for row, x in rows))


def described(layer: LayerCounts) -> str:
    """`lstm 40 -> 64`."""
    return f"{layer.cell_name or layer.kind} {layer.input_size} -> {layer.hidden_size}"


def labelled(layer: LayerCounts) -> Iterator[tuple[Row, str]]:
    """Each row of a layer, and its equations."""
    if layer.cell_name:
        texts = equations(layer.cell_name, projected=layer.cell.macs > 0)
    else:
        is_dense = layer.kind == "dense"
        texts = {"cell": ("y = activation(W x + b)" if is_dense else f"y = {layer.kind}(x)",)}
    for row in (*layer.gates, layer.cell):
        yield row, "\n".join(texts[row.name])
    yield layer.total, "total"


def _cells(row: Row, label: str, columns: Sequence[str]) -> tuple[str, ...]:
    return label, *(f"{getattr(row, column):,}" for column in columns)


def _shares(found: Sequence[Share]) -> dict[tuple[str, str], float]:
    """(layer, row) to its share of time and energy, totals too."""
    shares = {(s.layer, s.row): s.share for s in found}
    for layer, share in [(layer, share) for (layer, _), share in shares.items()]:
        shares[layer, "total"] = shares.get((layer, "total"), 0.0) + share
    return shares


def share_and_bar(share: float | None) -> tuple[str, str]:
    """The cells of a share."""
    return ("-", "") if share is None else (percent(share), bar(share))


def bar(share: float) -> str:
    """A bar of at most `BAR` characters; half characters count.

    >>> bar(0.5), bar(0.02)
    ('██████████', '▌')
    """
    halves = round(2 * BAR * min(share, 1.0))
    return "█" * (halves // 2) + "▌" * (halves % 2)
