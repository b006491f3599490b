"""Value: what flows from Keras layer to Keras layer, and what the next one has to know of it."""

import dataclasses

from edgelstm.formats.following.symbolic import Signal


@dataclasses.dataclass(frozen=True, eq=False)
class Value:
    """The output of a layer.

    Attributes:
        signal: Its axes are the batch, the steps if it has any, the features.
        steps: How many the model says that there are; None: any number. The signal has several
            also where these are one.
        mask_value: As in `Network`.
    """

    signal: Signal
    steps: int | None = None
    mask_value: float | None = None

    @property
    def has_steps(self) -> bool:
        """Whether it is a sequence."""
        return len(self.signal.axes) == 3

    def moved(self, signal: Signal) -> "Value":
        """Behind one more layer."""
        return dataclasses.replace(self, signal=signal)

    def noting(self, said: str) -> "Value":
        """With one more sentence for `Network.assumed`."""
        notes = (*self.signal.notes, said)
        return dataclasses.replace(self, signal=dataclasses.replace(self.signal, notes=notes))
