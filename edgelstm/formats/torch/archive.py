"""The zip archive of a `.pt` file: what `torch.load` gets is written here, from checked entries.

PyTorch's reader finds names without regard to case, and another directory than others where a file
has two. So none of the file's own structure reaches it.
"""

import io
import zipfile
from collections.abc import Mapping

from edgelstm.errors import ModelError
from edgelstm.files.archives import unpack
from edgelstm.formats.tensors import one_line
from edgelstm.formats.torch.pickle import WAY_OUT, check_pickle

PICKLE = "data.pkl"
# What torch.load reads beside the pickle and the storages, `data/N`.
SAID = ("byteorder", "version", ".data/version")
PROGRAM = ("code/", "constants.pkl", "models/")  # of TorchScript and torch.export


def rebuild(content: bytes) -> io.BytesIO:
    """An archive of what a state dict needs; everything else in the file is left out.

    Raises:
        ModelError: Not an archive of `torch.save`, or a pickle that `check_pickle` refuses.
    """
    if not content.startswith(b"PK"):
        raise ModelError(
            "is not what torch.save writes since torch 1.6, a zip archive; load it where it "
            "was written and save it again: torch.save(model.state_dict(), 'model.pt')"
        )
    found = unpack(content, len(content))
    if any(name.partition("/")[2].startswith(PROGRAM) for name in found):
        raise ModelError(
            "is a program of torch.jit or torch.export, not weights; load it there (torch.jit.load,"
            " torch.export.load) and save its state_dict(): torch.save(..., 'model.pt')"
        )
    entries = _of_one_folder(found)
    try:
        check_pickle(bytes(entries[PICKLE]))
    except ModelError:
        raise
    except Exception as error:  # a broken pickle raises errors of many kinds
        raise ModelError(f"holds a broken pickle: {one_line(error)}; {WAY_OUT}") from None
    rebuilt = io.BytesIO()
    with zipfile.ZipFile(rebuilt, "w") as archive:
        for name, entry in entries.items():
            if name == PICKLE or name in SAID or name.startswith("data/"):
                archive.writestr(f"archive/{name}", entry)
    rebuilt.seek(0)
    return rebuilt


def _of_one_folder(entries: Mapping[str, memoryview]) -> dict[str, memoryview]:
    """The entries beside the one pickle, without their folder's name."""
    folders = [name.removesuffix(PICKLE) for name in entries if name.endswith(f"/{PICKLE}")]
    if len(folders) != 1:
        raise ModelError(
            f"holds {len(folders)} entries called {PICKLE}, where torch.save writes one; {WAY_OUT}"
        )
    return {
        name.removeprefix(folders[0]): entry
        for name, entry in entries.items()
        if name.startswith(folders[0])
    }
