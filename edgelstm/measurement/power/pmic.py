"""`pmic`: the rails of a Raspberry Pi 5, by `vcgencmd pmic_read_adc`.

The board's power is a fit of one board (github.com/jfikar/RPi5-power); USB, HATs and NVMe are not
in the rails. Absolute values within 10 % (assumed), differences better.
"""

import re
import shutil
import subprocess

from edgelstm.measurement.power.source import Sample

COMMAND = ("vcgencmd", "pmic_read_adc")
TIMEOUT_S = 2.0
LINE = re.compile(
    r"\s*(\w+)_([AV])(?:\s+(?:current|volt|voltage)(?:\(\d+\))?)?\s*=\s*([\d.]+)[AV]?\s*"
)
BOARD_FACTOR, BOARD_W = 1.1451, 0.5879
DOMAINS = {"core": ("VDD_CORE",), "dram": ("DDR_VDD2", "DDR_VDDQ")}


def rails(text: str) -> dict[str, float]:
    """Watts of each rail that has a current and a voltage.

    >>> rails("VDD_CORE_A current(7)=2.00A\\nVDD_CORE_V volt(15)=0.75V\\nEXT5V_V volt(24)=5.1V")
    {'VDD_CORE': 1.5}
    """
    found: dict[str, dict[str, float]] = {}
    for line in text.splitlines():
        if match := LINE.fullmatch(line):
            rail, kind, value = match.groups()
            try:
                found.setdefault(rail, {})[kind] = float(value)
            except ValueError:
                continue
    return {rail: r["A"] * r["V"] for rail, r in found.items() if len(r) == 2}


class Pmic:
    """A `Source`: 4 Hz, since each reading is a process that takes 23 ms."""

    name, period_s, gross_only = "pmic", 0.25, False

    def obstacle(self) -> str | None:
        """See `Source`."""
        if shutil.which(COMMAND[0]) is None:
            return "vcgencmd is not there: no Raspberry Pi, or apt install raspi-utils"
        try:
            self.read(0.0)
        except OSError as error:
            return str(error)
        return None

    def read(self, now: float) -> Sample | None:
        """See `Source`."""
        try:
            ran = subprocess.run(COMMAND, capture_output=True, text=True, timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise OSError(f"{' '.join(COMMAND)} gave no answer in {TIMEOUT_S:g} s") from None
        found = rails(ran.stdout)
        if not found:
            said = (ran.stdout + ran.stderr).strip().splitlines()[:1]
            told = f": {said[0][:80]}" if said else ""
            raise OSError(f"{' '.join(COMMAND)} tells of no rail, as on all but a Pi 5{told}")
        watts = {
            domain: sum(found.get(rail, 0.0) for rail in names) for domain, names in DOMAINS.items()
        }
        total = sum(found.values())
        return Sample(now, {"all": BOARD_FACTOR * total + BOARD_W, "board": total, **watts})

    def finish(self) -> list[Sample]:
        """See `Source`."""
        return []
