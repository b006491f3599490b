"""Names that shells complete, looked up when a shell asks, not before."""

from collections.abc import Iterable


def devices() -> list[str]:
    """Devices that come with the package."""
    from edgelstm.devices.device import device_names

    return device_names()


def precisions() -> Iterable[str]:
    """Keys of `PRECISIONS`."""
    from edgelstm.model.precision import PRECISIONS

    return PRECISIONS


def forms() -> list[str]:
    """What integers inside a network are."""
    from edgelstm.model.precision import COMPOSED, FUSED

    return [FUSED, COMPOSED]


def picks() -> Iterable[str]:
    """Rules by which a point of a front is chosen."""
    from edgelstm.searching.picking import RULES

    return RULES


def cells() -> Iterable[str]:
    """Keys of `CELLS`."""
    from edgelstm.cells import CELLS

    return CELLS


def kernels() -> Iterable[str]:
    """Classes of kernels."""
    from edgelstm.cost.laws import CLASSES

    return CLASSES


def formats(incomplete: str) -> list[str]:
    """Formats that are written, behind those that stand before the last comma."""
    from edgelstm.comparison.tflm_folder import FORMAT
    from edgelstm.formats.table import FORMATS

    given = incomplete.rpartition(",")
    names = [suffix.lstrip("._") for suffix, known in FORMATS.items() if known.writer]
    names.append(FORMAT)
    return [f"{given[0]}{given[1]}{name}" for name in names if name.startswith(given[2])]


def targets() -> list[str]:
    """Runtimes that a file is written for."""
    from edgelstm.formats.table import FORMATS

    return [name for known in FORMATS.values() for name in known.targets]


def cores() -> Iterable[str]:
    """Cores that are emulated."""
    from edgelstm.devices.cores import CORES

    return [name for name, core in CORES.items() if core.is_emulated]


def sleeps() -> Iterable[str]:
    """Ways of waiting."""
    from edgelstm.cost.duty import SLEEPS

    return SLEEPS


def batteries() -> list[str]:
    """Those with a name; any charge in mAh is taken too."""
    return ["cr2032"]
