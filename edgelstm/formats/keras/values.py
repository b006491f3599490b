"""Value: what flows from Keras layer to Keras layer, and what the next one has to know of it."""

import dataclasses

import numpy as np

from edgelstm.errors import ModelError
from edgelstm.formats.following.symbolic import Signal
from edgelstm.layers.recurrent import Floats


@dataclasses.dataclass(frozen=True, eq=False)
class Value:
    """The output of a layer.

    Attributes:
        signal: Its axes are the batch, the steps if it has any, the features.
        summed: Whether Keras adds the two directions that lie side by side in it.
        steps: How many the model says that there are; None: any number. The signal has several
            also where these are one.
        mask_value: As in `Network`.
    """

    signal: Signal
    summed: bool = False
    steps: int | None = None
    mask_value: float | None = None

    @property
    def has_steps(self) -> bool:
        """Whether it is a sequence."""
        return len(self.signal.axes) == 3

    def moved(self, signal: Signal) -> "Value":
        """Behind one more layer."""
        return dataclasses.replace(self, signal=signal, summed=False)

    def adding(self) -> "Value":
        """Whose two directions are added."""
        return dataclasses.replace(self, summed=True)

    def noting(self, said: str) -> "Value":
        """With one more sentence for `Network.assumed`."""
        notes = (*self.signal.notes, said)
        return dataclasses.replace(self, signal=dataclasses.replace(self.signal, notes=notes))

    def weight(self, weight: Floats) -> Floats:
        """Of the layer that takes it: of summed directions, the same weights for each."""
        return np.concatenate([weight, weight], 1) if self.summed else weight

    def check_not_summed(self) -> None:
        """`ModelError` unless a layer without weights may take it."""
        if self.summed:
            raise ModelError(
                "adds two directions, which a dense or recurrent layer alone reads; "
                "let one follow directly, or use merge_mode='concat'"
            )
