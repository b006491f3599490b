"""A device as the text of its file, the reverse of `read_device`."""

import dataclasses
import json

from edgelstm.devices.device import Device, Figure


def device_text(device: Device) -> str:
    """TOML: texts and figures of no table, then a table for each.

    Args:
        device: Its texts are without line breaks.
    """
    values = {"name": device.name, "kind": device.kind, "core": device.core} | dict(device.texts)
    top = {key: json.dumps(value) for key, value in values.items()}
    top["cores"] = str(device.n_cores)
    if device.board_models:
        top["board_models"] = json.dumps(list(device.board_models))
    tables: dict[str, list[str]] = {}
    every = top | {key: _figure(figure) for key, figure in device.figures.items()}
    for key, text in every.items():
        table, _, name = key.rpartition(".")
        tables.setdefault(table, []).append(f"{name} = {text}")
    blocks = ([f"[{table}]"] * bool(table) + lines for table, lines in sorted(tables.items()))
    return "\n\n".join("\n".join(lines) for lines in blocks) + "\n"


def _figure(figure: Figure) -> str:
    parts = dataclasses.asdict(figure)
    return "{ " + ", ".join(f"{key} = {json.dumps(value)}" for key, value in parts.items()) + " }"
