"""How numbers are written for people: three digits, thousands separated, never an exponent.

Also layers and networks, in a line each.
"""

from typing import Any

from edgelstm.printable import printable


def number(value: float) -> str:
    """Three digits; whole numbers from a thousand on.

    >>> number(0.4312), number(8.1517), number(2703.4), number(27_648), number(0)
    ('0.431', '8.15', '2,703', '27,648', '0')
    """
    if value == 0 or abs(value) >= 999.5:
        return f"{value:,.0f}"
    if abs(value) < 0.001:
        return f"{value:.6f}".rstrip("0").rstrip(".")
    return f"{value:.3g}"


def apart(one: float, other: float) -> tuple[str, str]:
    """Two numbers that differ, in as many digits as show it.

    >>> apart(26.31, 20), apart(5.001, 5)
    (('26.3', '20'), ('5.001', '5'))
    """
    for digits in (3, 4, 6, 9):
        texts = [number(value) if digits == 3 else f"{value:,.{digits}g}" for value in (one, other)]
        if texts[0] != texts[1]:
            break
    return texts[0], texts[1]


def counted(n: int, noun: str) -> str:
    """A number of things.

    >>> counted(1, "step"), counted(29, "step"), counted(1152, "process")
    ('1 step', '29 steps', '1,152 processes')
    """
    return f"{n:,} {noun}" + ("" if n == 1 else "es" if noun.endswith("ss") else "s")


def percent(share: float, *, sign: bool = False) -> str:
    """A share in percent; with `sign` as a change.

    >>> percent(0.2537), percent(-0.0004, sign=True), percent(0.5, sign=True)
    ('25.4 %', '0 %', '+50 %')
    """
    if sign:
        whole = round(100 * share)
        return f"{whole:+d} %" if whole else "0 %"
    return f"{100 * share:.3g} %"


def span(low: float, typical: float | None, high: float, unit: str) -> str:
    """An interval.

    >>> span(6.44, 8.15, 10.32, "uJ"), span(1, None, 2, "mW")
    ('8.15 uJ (6.44 to 10.3)', '1 to 2 mW')
    """
    if typical is None:
        return f"{number(low)} to {number(high)} {unit}"
    return f"{number(typical)} {unit} ({number(low)} to {number(high)})"


def instead(new: float, old: float, unit: str) -> str:
    """A change.

    >>> instead(19968, 26624, "MACs")
    '19,968 instead of 26,624 MACs (-25 %)'
    """
    change = percent(new / old - 1, sign=True)
    return f"{number(new)} instead of {number(old)} {unit} ({change})"


def layer_text(name: str, kind: str, layer: Any) -> str:
    """A layer in a few words, also a quantized one: how it is called, its kind and its sizes."""
    activation = getattr(layer, "activation", None)
    behind = f" {activation}" if activation else ""
    return f"{printable(name)}: {kind} {layer.input_size} -> {layer.output_size}{behind}"


def network_text(network: Any) -> str:
    """A network in a few words, also a quantized one: one line per layer that holds numbers."""
    reads = [layer.reads for layer in network.layers if layer.kind == "read_steps"]
    read = " and the ".join(reads[-1]) if reads else "last"
    gives = f"the {read} step" if read == "last" else f"the {read} of the steps"
    gives = gives if network.last_step else "each step"
    layers = (
        f"  {layer if layer.parts else 'the steps in reverse order'}"
        for layer in network.layers
        if layer.parts or layer.kind == "reverse_steps"
    )
    return "\n".join((f"{network.precision} network, gives {gives}", *layers))
