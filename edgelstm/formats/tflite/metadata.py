"""What the tensors of a file of step graphs do not say, as JSON in its metadata.

It lies in flash, so what is False, 0 or None is left out.
"""

import json
from typing import Any

from edgelstm.formats.description import describe_around
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork

KEY = "edgelstm"  # of the metadata
VERSION = 1


def encode_stated(network: Network | QuantizedNetwork, streaming: bool | str) -> bytes:
    """The entry of a network, written in this form of time."""
    stated: dict[str, Any] = {
        "version": VERSION,
        "precision": network.precision,
        "streaming": streaming,
        "last_step": network.last_step,
        "steps": network.steps,
        "dropped_softmax": network.dropped_softmax,
        "form": network.form if isinstance(network, QuantizedNetwork) else None,
        "layers": [
            _given(KINDS[part.kind](part) | {"reverse": place > 0})
            for layer in network.layers
            for place, part in enumerate(layer.parts)
        ],
    } | describe_around(network)
    if network.input is None:  # normalised by operators, which hold these
        stated |= dict.fromkeys(("input_mean", "input_std"))
    return json.dumps(_given(stated), separators=(",", ":")).encode()


def _given(stated: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in stated.items() if value}


# Kind of a layer to what its tensors do not say.
KINDS = {
    "recurrent": lambda part: {
        "name": part.name,
        "cell": part.cell_name,
        "cell_clip": part.cell_clip,
        "nonlinearity": part.nonlinearity if part.nonlinearity != "tanh" else None,
    },
    "dense": lambda part: {"name": part.name, "activation": part.activation},
    "activation": lambda part: {
        "name": part.name,
        "kind": part.kind,
        "size": part.input_size,
        "function": part.function,
        "numbers": list(part.numbers if part.input is None else part.given),
    },
    "layer_norm": lambda part: {"name": part.name, "kind": part.kind, "eps": part.eps},
    "embedding": lambda part: {"name": part.name, "kind": part.kind},
}
