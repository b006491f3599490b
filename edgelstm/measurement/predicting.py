"""What the profiler says of what was measured: the call and the computing apart."""

from edgelstm.cost.boards import board_time
from edgelstm.cost.counts import Counts
from edgelstm.cost.cycles import Interval
from edgelstm.cost.energy import estimate
from edgelstm.cost.inference import inference_us
from edgelstm.devices.device import Device, device_names, read_device
from edgelstm.errors import DeviceError
from edgelstm.measurement.results import STEP, Predicted


def find_device(asked: str | None, board: str | None) -> tuple[Device | None, str | None]:
    """The device of this machine, or why none is known.

    Args:
        asked: A name or path of a user; None: by the board.
        board: What the board's firmware calls it.

    Raises:
        DeviceError: What is asked for is unknown, or no board.
    """
    if asked is not None:
        device = read_device(asked)
        if device.kind != "sbc":
            told = "a board that runs Linux is needed: kind = 'sbc'"
            raise DeviceError(f"{device.name} is of kind '{device.kind}'; {told}")
        return device, None
    for name in device_names() if board else ():
        device = read_device(name)
        if board and board.startswith(device.board_models or ("\0",)):
            return device, None
    machine = f"'{board}'" if board else "this machine"
    return None, f"no device file is for {machine}: --device names one"


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
    energy = estimate(counts, device, kernels)
    if energy.latency_us is None:
        return Predicted(None, None, energy.latency_reason)
    call = board_time(counts, device, kernels, device.clock.typical, 1).call_us
    if mode == STEP:
        return Predicted(energy.latency_us, call, None)
    whole = inference_us(counts, device, energy, steps)
    assert whole is not None
    return Predicted(_per_step(whole, steps), _per_step(call, steps), None)


def _per_step(whole: Interval, steps: int) -> Interval:
    typical = None if whole.typical is None else whole.typical / steps
    return Interval(whole.low / steps, typical, whole.high / steps)
