"""What the caller of `read` says about a file: readers use it, or compare it with the file."""

import dataclasses
from collections.abc import Sequence

from edgelstm.errors import ModelError
from edgelstm.layers.dense import final_activation
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork

HEADS = {"last": True, "each": False}  # to `Network.last_step`


@dataclasses.dataclass(frozen=True)
class Asked:
    """The options of `read`; None where the caller says nothing.

    Attributes:
        head: What the dense head reads: `last` or `each` step.
        activation: See `formats.state_dict`.
        order: Prefixes of the layers' tensors, in the order in which the layers run.
        node: Names of recurrent nodes of a larger graph, to be read alone; a single text is one.
    """

    head: str | None = None
    activation: str | None = None
    order: Sequence[str] | None = None
    node: Sequence[str] | None = None

    def __post_init__(self) -> None:
        if self.head is not None and self.head not in HEADS:
            raise ModelError(f"head is {self.head!r}; last or each is needed")
        is_list = self.order is None or isinstance(self.order, list | tuple)
        if not is_list or not all(isinstance(name, str) for name in self.order or ()):
            raise ModelError(
                f"order is {self.order!r}; names are needed: order=('encoder', 'decoder')"
            )
        if self.node is not None:
            object.__setattr__(self, "node", node_names(self.node))

    @property
    def last_step(self) -> bool | None:
        """`head` as `Network.last_step`."""
        return None if self.head is None else HEADS[self.head]


def node_names(node: object) -> tuple[str, ...]:
    """The names that were given as one text or several; `ModelError` if they are none."""
    names = (node,) if isinstance(node, str) else node
    is_list = isinstance(names, list | tuple) and names
    if not is_list or not all(isinstance(name, str) for name in names):  # type: ignore[attr-defined]
        raise ModelError(f"node is {node!r}; a name, or a tuple of names, is needed")
    return tuple(names)  # type: ignore[arg-type]


def check_stated(network: Network | QuantizedNetwork, asked: Asked) -> None:
    """`ModelError` if a file that states everything contradicts what the caller said."""
    way_out = "which is for files of weights alone"
    if asked.last_step not in (None, network.last_step):
        gives = "the last" if network.last_step else "each"
        raise ModelError(f"the file gives {gives} step; leave head out, {way_out}")
    stated = "softmax" if network.dropped_softmax else final_activation(network.layers)
    if asked.activation not in (None, stated):
        raise ModelError(
            f"the file ends with {stated or 'no activation'}, not {asked.activation}; "
            f"leave activation out, {way_out}"
        )
    if asked.order is not None:
        raise ModelError(f"the file gives the order of its layers; leave order out, {way_out}")
