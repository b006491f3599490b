"""What stands first: whether a network fits, how long it takes, what it draws, how long it lasts.

An answer is the report of `profile`, or the same keys of `export`'s, with `steps` of a call and its
`inference_us`.
"""

from collections.abc import Iterator

from edgelstm.text import counted, number, percent
from edgelstm.tools.output import Report, print_line
from edgelstm.tools.side_by_side import FITS, energy_name, interval

EXPLAIN = "`--explain` tells what the figures stand on"


def rows(answer: Report) -> Iterator[tuple[str, str]]:
    """Name and answer; what is not known with the reason."""
    yield "fits", fits(answer["fit"])
    if answer["file_reason"]:
        yield "file", answer["file_reason"]
    yield "time", _time(answer)
    yield energy_name(answer), _energy(answer)
    if answer["energy_net_uj"]:
        yield "energy above idle", f"{interval(answer['energy_net_uj'], 'uJ')} a step"
    if answer["basis"]:
        yield "basis", answer["basis"]
    if answer["duty"]:
        yield "keeps up", _keeps_up(answer["duty"])
        yield from waiting(answer["duty"])


def fits(fit: Report) -> str:
    """`yes: flash 32,992 B of 2,097,152 B (1.57 %), RAM 4,848 B of 786,432 B (0.616 %)`."""
    needs = []
    for name, memory in (("flash", "flash"), ("RAM", "ram")):
        need, available = fit[f"{memory}_bytes"], fit[f"{memory}_available_bytes"]
        if need is not None:
            share = f" of {available:,} B ({percent(need / available)})" if available else ""
            needs.append(f"{name} {need:,} B{share}")
    told = f"{FITS[fit['fits']]}: {', '.join(needs)}"
    lacking = fit["fits"] is None and fit["ram_available_bytes"] is None
    return f"{told}; the device's memory is not known" if lacking else told


def _time(answer: Report) -> str:
    if answer["latency_us"] is None:
        return f"not known: {answer['latency_reason']}"
    step = f"{interval(answer['latency_us'], 'us')} a step"
    if answer["steps"] == 1:
        return step
    call = interval({k: v and v / 1000 for k, v in answer["inference_us"].items()}, "ms")
    return f"{step}, {call} an inference of {counted(answer['steps'], 'step')}"


def _energy(answer: Report) -> str:
    if answer["energy_uj"] is None:
        return f"not known: {answer['energy_reason'] or answer['latency_reason']}"
    return f"{interval(answer['energy_uj'], 'uJ')} a step"


def _keeps_up(duty: Report) -> str:
    told = {True: "yes", False: "NO", None: "not certain"}[duty["keeps_up"]]
    return f"{told}: a step every {number(duty['period_ms'])} ms"


def waiting(duty: Report) -> Iterator[tuple[str, str]]:
    """Days of the battery, else average power, for each way of waiting."""
    battery = duty["battery"]
    for way in duty["waiting"]:
        name = f"{battery['name'] if battery else 'average'}, {way['sleep']}"
        if way["reason"]:
            yield name, f"not known: {way['reason']}"
        elif way["life_days"]:
            yield name, interval(way["life_days"], "days")
        else:
            yield name, interval(way["average_mw"], "mW")


def print_explain() -> None:
    """Where the notes are, in the place where they would stand."""
    print_line(EXPLAIN, style="dim")
