"""Folders of C on the emulator of their core: Unicorn, or QEMU where that has no such core."""

from collections.abc import Mapping
from pathlib import Path

from edgelstm.runtimes.emulated.image import Image
from edgelstm.runtimes.emulated.machine import EmulatedFile, Machine
from edgelstm.runtimes.emulated.qemu import Board
from edgelstm.runtimes.emulated.toolchain import image_of, own_board
from edgelstm.runtimes.folder import Folder, open_folder
from edgelstm.runtimes.runtime import Array


def open_core(path: Path, initial_states: Mapping[str, Array], core: str) -> EmulatedFile:
    """Compiles a folder for a core, and loads it there."""
    folder = open_folder(path)
    return loaded(folder, core, Image(image_of(folder, core)))


def loaded(folder: Folder, core: str, image: Image) -> EmulatedFile:
    """A folder's image on the emulator that it is linked for."""
    board = own_board(core)
    return EmulatedFile(folder, Board(board, image) if board else Machine(core, image))
