"""What a quantized layer without states tells of its arithmetic."""

from typing import Self

from edgelstm.model.plan import LayerPlan, plan_of
from edgelstm.model.precision import Precision


class Stateless:
    """A quantized layer that is its own one part.

    Attributes:
        numbers: Its precision, in its form.
    """

    numbers: Precision

    @property
    def plan(self) -> LayerPlan:
        """Its operations in its precision."""
        return plan_of(self, self.numbers)

    @property
    def parts(self) -> tuple[Self, ...]:
        """What has a row in tables: itself."""
        return (self,)

    @property
    def precision(self) -> str:
        """Key of `PRECISIONS`."""
        return self.numbers.name

    @property
    def form(self) -> str | None:
        """`fused`, `composed`; None if hybrid."""
        return self.numbers.form
