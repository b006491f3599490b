"""Errors that a user can mend: each says where, what came, what is needed, what to do."""


class ModelError(ValueError):
    """A model, its calibration or its input that cannot be used as it is."""


class DeviceError(ValueError):
    """A device that is unknown, or a device file that cannot be used as it is."""
