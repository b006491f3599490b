"""What the profiler says of what was measured: the call and the computing apart."""

import pathlib
import platform

from edgelstm.cost.boards import SEQUENCE, STEP, STEP_RAW, board_time, no_time
from edgelstm.cost.counts import Counts
from edgelstm.cost.cycles import Interval
from edgelstm.devices.device import Device, device_names, read_device
from edgelstm.errors import DeviceError
from edgelstm.files.disk import data_folder
from edgelstm.measurement.results import Predicted


def find_device(asked: str | None, board: str | None) -> tuple[Device | None, str | None]:
    """The device of this machine, or why none is known.

    Args:
        asked: A name or path of a user; None: by the board.
        board: What the board's firmware calls it; a file of this machine goes first.

    Raises:
        DeviceError: What is asked for is unknown, or no board.
    """
    if asked is not None:
        device = read_device(asked)
        if device.kind != "sbc":
            told = "a board that runs Linux is needed: kind = 'sbc'"
            raise DeviceError(f"{device.name} is of kind '{device.kind}'; {told}")
        return device, None
    own = calibrated_file()
    if own.is_file():
        return read_device(own), None
    for name in device_names() if board else ():
        device = read_device(name)
        if board and board.startswith(device.board_models or ("\0",)):
            return device, None
    machine = f"'{board}'" if board else "this machine"
    return None, f"no device file is for {machine}: bench --calibrate makes one, --device names one"


def calibrated_file() -> pathlib.Path:
    """Where `bench --calibrate` puts what it measured of this machine."""
    return data_folder() / "devices" / f"{platform.node() or 'this-machine'}.toml"


def predict(
    counts: Counts, steps: int, mode: str, kernels: str | None, device: Device
) -> Predicted:
    """Time per step on a device, call included.

    Args:
        counts: Of a step.
        steps: Of a sequence.
        mode: `step` or `sequence`.
        kernels: Whose code, a key of `BOARD_KERNELS`; None: there is no law.
        device: A board.
    """
    if kernels is None:
        return Predicted(None, None, "the profiler has no law for this engine on a board")
    if reason := no_time(counts, device, kernels):
        return Predicted(None, None, reason)
    raw = STEP_RAW if counts.precision.startswith("int") else STEP
    called = raw if mode == STEP else SEQUENCE
    found = board_time(counts, device, kernels, device.clock.typical, 1, called)
    if mode == STEP:
        return Predicted(found.latency_us, found.call_us, None)
    call, step = found.call_us, found.latency_us
    assert call.typical is not None
    assert step.typical is not None
    typical = call.typical / steps
    share = Interval(call.low / steps, typical, call.high / steps)
    per_step = Interval(
        share.low + step.low - call.low,
        typical + step.typical - call.typical,
        share.high + step.high - call.high,
    )
    return Predicted(per_step, share, None)
