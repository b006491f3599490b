"""What layers without numbers have in common."""

from typing import Any, ClassVar


class WithoutNumbers:
    """A layer that computes nothing with numbers of its own.

    Attributes:
        size: Values per time step that come in, and that go out unless a layer says otherwise.
        kind: Key of `LAYERS`.
        parts: What holds numbers: nothing.
        arrays: Weights and biases by their names: none.
    """

    size: int
    kind: ClassVar[str]
    parts: ClassVar[tuple[Any, ...]] = ()
    arrays: ClassVar[dict[str, Any]] = {}

    @property
    def name(self) -> str:
        """How errors call it; it has no row in tables."""
        return self.kind

    @property
    def input_size(self) -> int:
        """Values per time step that come in."""
        return self.size

    @property
    def output_size(self) -> int:
        """Values that go out, per time step or once."""
        return self.size
