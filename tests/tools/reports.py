"""Reports for tests of what is printed: nothing is known in them but what a test says."""

import dataclasses
from typing import Any

from edgelstm.comparison.calling import Called
from edgelstm.comparison.measuring import Accuracy
from edgelstm.cost.energy import Energy
from edgelstm.cost.memory import Fit
from edgelstm.tools.answer import Answer
from edgelstm.tools.export_report import ExportReport

UNKNOWN = Answer(
    "net",
    "stm32u575",
    device_kind="mcu",
    precision="int8",
    fit=Fit(None, None, None, 0, None, ""),
    energy=Energy(None, None, None, None, None),
    file_reason=None,
    steps=1,
    inference_us=None,
)
NOTHING = ExportReport(
    UNKNOWN,
    form=None,
    form_reason=None,
    streaming=False,
    target=None,
    assumed=(),
    skipped=(),
    artifacts=(),
    accuracy=Accuracy("none"),
    verified=(),
    macs=0,
    by_kernels=(),
    input=None,
    output=None,
    called=Called(),
    use=(),
    failures=(),
    version="",
)


def answer(**known: Any) -> Answer:
    """What a test says of a network on a device."""
    return dataclasses.replace(UNKNOWN, **known)


def export_report(**known: Any) -> ExportReport:
    """What a test says of an export."""
    return dataclasses.replace(NOTHING, **known)
