"""A layer as Keras describes it in JSON, with what every layer is asked before it is read."""

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from edgelstm.errors import ModelError
from edgelstm.formats.stated import whole

OWN = re.compile(r"(keras|tf_keras|tensorflow(\.python)?\.keras)(\..*)?", re.DOTALL)
POLICIES = ("float32", "float64")
LONGEST_NAME = 200
MOST_UNITS = 2**24


@dataclasses.dataclass(frozen=True)
class Described:
    """One layer, or a whole network.

    Attributes:
        kind: Its class.
        name: Of the layer.
        config: What its constructor takes.
        calls: Where its input comes from, of a layer of a functional network.
        version: Of Keras, 2 or 3 in front; None: not stated.
    """

    kind: str
    name: str
    config: Mapping[str, Any]
    calls: Any = None
    version: str | None = None

    @property
    def where(self) -> str:
        """How errors call it."""
        return f"layer '{self.name}' ({self.kind})"

    def number(self, name: str, limits: tuple[int, int] = (1, MOST_UNITS)) -> int:
        """A whole number of its config."""
        return whole(self.config.get(name), name, limits)

    def flag(self, name: str, *, default: bool) -> bool:
        """A truth value of its config."""
        value = self.config.get(name, default)
        if not isinstance(value, bool):
            raise ModelError(f"{name} is {value!r:.40}; true or false is needed")
        return value

    def inner(self, name: str) -> "Described":
        """The layer that stands in its config."""
        return described(self.config.get(name), self.version)

    def turned(self) -> "Described":
        """The same layer, running from the last step to the first."""
        return dataclasses.replace(self, config={**self.config, "go_backwards": True})

    @property
    def is_keras_2(self) -> bool:
        """Whether Keras 2 wrote it; `ModelError` where the file does not say."""
        if not self.version or not self.version[:2].rstrip(".").isdigit():
            raise ModelError(
                "Keras 2 and 3 compute it differently, and the file does not say which"
            )
        return int(self.version.split(".")[0]) < 3


def described(stated: Any, version: str | None) -> Described:
    """A layer from its JSON.

    Raises:
        ModelError: It is none, is a class of others, or computes in another type than float32.
    """
    if not isinstance(stated, dict) or not isinstance(stated.get("config"), dict):
        raise ModelError("a layer is no {class_name, config}; save the model again with Keras")
    kind, config = stated.get("class_name"), stated["config"]
    name = config.get("name", stated.get("name", kind))
    if not isinstance(kind, str) or not isinstance(name, str) or len(kind + name) > LONGEST_NAME:
        raise ModelError("a layer has no name, or a long one; save the model again with Keras")
    layer = Described(kind, name, config, stated.get("inbound_nodes"), version)
    module, registered = stated.get("module"), stated.get("registered_name")
    is_own = module is None or (isinstance(module, str) and OWN.fullmatch(module))
    if not is_own or registered not in (None, kind):
        raise ModelError(
            f"{layer.where} is a class of others ({str(registered or module)[:80]}); nothing of a "
            "file is imported: build the network of Keras's own layers"
        )
    _check_type(layer)
    return layer


def _check_type(layer: Described) -> None:
    """Refuses layers that compute in other types."""
    policy = layer.config.get("dtype")
    if layer.kind == "InputLayer" or policy is None:
        return
    name = policy
    if isinstance(policy, dict):
        held = policy.get("config")
        is_plain = policy.get("class_name") in ("DTypePolicy", "Policy") and isinstance(held, dict)
        name = held.get("name") if is_plain else policy.get("class_name")  # type: ignore[union-attr]
    if name not in POLICIES:
        raise ModelError(
            f"{layer.where} computes by the policy {str(name)[:40]!r}; float32 is needed: build "
            "it with dtype='float32' and load its weights, or save it before it was quantized"
        )


def check_plain(layer: Described, refused: Iterable[tuple[str, Any]]) -> None:
    """`ModelError` where an option is not what is read.

    Args:
        layer: Of any kind.
        refused: Option and the one value that is read, which is also that of files without it.
    """
    for name, needed in refused:
        value = layer.config.get(name, needed)
        if value != needed:
            raise ModelError(f"{name} is {value!r:.60}; {needed!r} alone is read")


def check_features(layer: Described, rank: int) -> None:
    """`ModelError` unless a layer works along the last of so many axes."""
    axis = layer.config.get("axis", -1)
    if axis not in (-1, rank - 1, [-1], [rank - 1]):
        raise ModelError(f"runs along axis {axis!r:.40}; that of the features, -1, is read")


def every(stated: Any, what: str, read: Callable[[Any], Described], most: int) -> list[Described]:
    """The layers of a list."""
    if not isinstance(stated, list) or not 0 < len(stated) <= most:
        raise ModelError(f"{what} is no list of 1 to {most:,} layers")
    layers = [read(item) for item in stated]
    names = [layer.name for layer in layers]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ModelError(f"layer '{twice}' stands there twice, and its weights once")
    return layers
