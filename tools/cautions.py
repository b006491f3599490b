"""What `export` warns of, with figures."""

from typing import Any

LOW_SNR_DB = 20.0
RANDOM = (
    "calibration is random normal input: fit for counting and checking, not for accuracy; "
    "give --calibration FILE with real input"
)


def cautions(report: dict[str, Any]) -> list[str]:
    """What a user should know before trusting the report, one sentence each."""
    measured, warnings = report["accuracy"], []
    if not any(v["values"] for v in report["verified"]):
        warnings.append("no value was checked: `edgelstm doctor` says how to install the runtimes")
    if measured["calibration"] == "random":
        warnings.append(RANDOM)
    for gate in measured["saturation"]:
        if gate["recurrent_cut"]:
            warnings.append(
                f"layer '{gate['layer']}', gate {gate['gate']}: {gate['recurrent_cut']:.2%} of the "
                "recurrent parts left +-8 in calibration; there TFLM, CMSIS-NN and LiteRT differ"
            )
    snr = measured["snr_db"]
    if snr is not None and snr < LOW_SNR_DB:
        better = "use --precision float32"
        if report["precision"] != "hybrid":
            better = "check the calibration data, or use --precision hybrid or float32"
        warnings.append(
            f"the signal-to-noise ratio against float is {snr:.1f} dB, below {LOW_SNR_DB:.0f} dB; "
            f"{better}"
        )
    return warnings
