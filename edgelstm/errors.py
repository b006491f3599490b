"""Errors that a user can mend: each says where, what came, what is needed, what to do."""

from edgelstm.printable import one_line


class ModelError(ValueError):
    """A model, its calibration or its input that cannot be used as it is."""

    def __str__(self) -> str:
        return one_line(super().__str__())


class DeviceError(ValueError):
    """A device that is unknown, or a device file that cannot be used as it is."""

    def __str__(self) -> str:
        return one_line(super().__str__())
