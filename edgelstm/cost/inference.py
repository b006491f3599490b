"""Time of an inference: one call that computes several steps."""

from edgelstm.cost.boards import SEQUENCE, board_time
from edgelstm.cost.counts import Counts
from edgelstm.cost.cycles import Interval
from edgelstm.cost.energy import Energy
from edgelstm.devices.device import Device


def inference_us(
    counts: Counts,
    device: Device,
    energy: Energy,
    steps: int,
    *,
    clock_mhz: float | None = None,
    cores: int = 1,
) -> Interval | None:
    """Microseconds of `steps` steps in one call; None where those of a step are not known.

    A head over the last step counts in each, as in `counts`. The call itself, which is a part of
    a step's time on a Raspberry Pi, counts once.

    Args:
        counts: Of a step.
        device: It runs on.
        energy: From `estimate`, at that clock and on that many cores.
        steps: That the call computes.
        clock_mhz: That the step was estimated at; None: the device's.
        cores: That may share a step.
    """
    step, call = energy.latency_us, Interval(0.0, 0.0, 0.0)
    if step is None:
        return None
    if device.kind == "sbc":
        clock = clock_mhz or device.clock.typical
        found = board_time(counts, device, energy.kernels, clock, cores, SEQUENCE)
        step, call = found.latency_us, found.call_us
    low = call.low + steps * (step.low - call.low)
    high = call.high + steps * (step.high - call.high)
    if step.typical is None or call.typical is None:
        return Interval(low, None, high)
    return Interval(low, call.typical + steps * (step.typical - call.typical), high)
