"""What a Keras file holds: the network as JSON, the weights as HDF5, and which Keras wrote it."""

import dataclasses
import json
from typing import Any

from edgelstm.errors import ModelError
from edgelstm.files.archives import unpack
from edgelstm.formats.keras.hdf5 import LARGEST_BYTES, SIGNATURE, WAY_OUT, Hdf5

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
LONGEST_TEXT = 2**23


@dataclasses.dataclass(frozen=True)
class Stored:
    """A file, taken apart.

    Attributes:
        model: Of the whole network: its class and what that needs.
        version: Of the Keras that wrote it; None: not stated.
        weights: To be closed.
        is_archive: Whether it is a `.keras` archive, whose weights lie by class and number; in
            `.h5` they lie by the names of layers.
    """

    model: Any
    version: str | None
    weights: Hdf5
    is_archive: bool


def take_apart(content: bytes) -> Stored:
    """A file by what it begins with, whatever its suffix.

    Raises:
        ModelError: Neither kind of file, or one without its network.
    """
    if content.startswith(b"PK"):
        return _archive(content)
    if content.startswith(SIGNATURE):
        return _h5(content)
    raise ModelError(f"is neither a .keras archive nor HDF5; {WAY_OUT}")


def _archive(content: bytes) -> Stored:
    entries = unpack(content, LARGEST_BYTES)
    for name in entries:
        if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/"):
            raise ModelError(f"entry {name!r:.80} is outside of the archive; {WAY_OUT}")
    configs = [name for name in entries if _last(name) == CONFIG]
    if configs != [CONFIG]:
        raise ModelError(
            f"holds {len(configs)} entries {CONFIG}, one at its top is needed; {WAY_OUT}"
        )
    if WEIGHTS not in entries:
        raise ModelError(f"holds no {WEIGHTS}; {WAY_OUT}")
    about = _parsed(entries[METADATA], METADATA) if METADATA in entries else None
    version = about.get("keras_version") if isinstance(about, dict) else None
    model = _parsed(entries[CONFIG], CONFIG)
    weights = Hdf5(entries[WEIGHTS])
    return Stored(model, version if isinstance(version, str) else None, weights, is_archive=True)


def _last(name: str) -> str:
    return name.replace("\\", "/").split("/")[-1].lower()


def _h5(content: bytes) -> Stored:
    weights = Hdf5(content)
    try:
        config = weights.texts("", "model_config")
        if not config:
            raise ModelError(
                "holds weights without the network (save_weights); save the whole model: "
                "model.save('model.keras')"
            )
        version = weights.texts("", "keras_version")
        model = _parsed("".join(config).encode(), "model_config")
    except BaseException:
        weights.close()
        raise
    return Stored(model, version[0] if version else None, weights, is_archive=False)


def _parsed(text: bytes | memoryview, name: str) -> Any:
    if len(text) > LONGEST_TEXT:
        raise ModelError(f"{name} has {len(text):,} B; at most {LONGEST_TEXT:,} B are read")
    try:
        return json.loads(bytes(text))
    except RecursionError:
        raise ModelError(f"{name} is nested too deep; {WAY_OUT}") from None
    except ValueError as error:
        raise ModelError(f"{name} is not JSON: {error}; {WAY_OUT}") from None
