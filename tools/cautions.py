"""What `export` warns of, with figures."""

from edgelstm.comparison.measuring import Accuracy
from edgelstm.model.precision import FUSED
from edgelstm.text import counted, number
from edgelstm.tools.export_report import ExportReport
from edgelstm.tools.forms import LOSES_STATE
from edgelstm.verification.spread import is_beyond_training

LOW_SNR_DB = 20.0
LOST_DB = 3.0  # half a bit, by far values of the calibration
RANDOM = (
    "calibration is random normal input: fit for counting and checking, not for accuracy; "
    "give --calibration FILE with real input"
)


def cautions(report: ExportReport) -> list[str]:
    """What a user should know before trusting the report, one sentence each."""
    measured, warnings = report.accuracy, list[str]()
    if not any(v.values for v in report.verified):
        warnings.append("no value was checked: `edgelstm doctor` says how to install the runtimes")
    if measured.calibration == "random":
        warnings.append(RANDOM)
    for gate in measured.saturation:
        if gate.recurrent_cut:
            fused = report.form == FUSED
            there = "there TFLM, CMSIS-NN and LiteRT differ" if fused else "there they are cut"
            warnings.append(
                f"layer '{gate.layer}', gate {gate.gate}: {gate.recurrent_cut:.2%} of the "
                f"recurrent parts left +-{gate.recurrent_limit:g} in calibration; {there}"
            )
    if report.form == FUSED and report.streaming and report.answer.device_kind == "mcu":
        warnings.append(LOSES_STATE)
    warnings += _of_spread(measured)
    snr = measured.snr_db
    if snr is not None and snr < LOW_SNR_DB:
        better = "use --precision float32"
        if report.answer.precision != "hybrid":
            better = "check the calibration data, or use --precision hybrid or float32"
        warnings.append(
            f"the signal-to-noise ratio against float is {snr:.1f} dB, below {LOW_SNR_DB:.0f} dB; "
            f"{better}"
        )
    return warnings


def _of_spread(measured: Accuracy) -> list[str]:
    """Calibration that is far from what the network was trained on, or has a few far values."""
    spread, warnings = measured.input_spread, list[str]()
    if spread is None:
        return []
    cut = [gate for gate in measured.saturation if is_beyond_training(gate)]
    if cut:
        most = max((g for g in cut if g.layer == cut[0].layer), key=lambda g: g.sums_cut)
        warnings.append(
            f"calibration reaches {number(spread.largest)}, and {most.sums_cut:.0%} of a gate's "
            f"sums in layer '{most.layer}' leave +-{most.sums_limit:g}, where gates are flat: it "
            "looks larger than the input the network was trained on; give it scaled as in training"
        )
    clipped, snr = spread.snr_db_if_clipped, measured.snr_db
    if clipped is not None and snr is not None and clipped - snr > LOST_DB:
        beyond = counted(spread.values_beyond, "value")
        warnings.append(
            f"calibration reaches {number(spread.largest)}, but all except {beyond} "
            f"stay within {number(spread.p99_99)}: that costs {clipped - snr:.1f} dB "
            f"({snr:.1f} in place of {clipped:.1f} dB); remove them if the sensor was wrong"
        )
    return warnings
