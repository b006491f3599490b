"""A layer on its way to C: its names, its calls so far, and where its states lie."""

from collections.abc import Mapping

from edgelstm.formats.c.calls import Call, Constants, Part


class Layer:
    """Collects the calls of one part of a network.

    Args:
        part: Gets the calls.
        into: The value that comes in, by its name in the whole network.
        sizes: Value of the layer to its elements.
        constants: Of the whole network.
        copy: The kernel that copies values.
    """

    def __init__(
        self, part: Part, into: str, sizes: Mapping[str, int], constants: Constants, copy: str
    ) -> None:
        self.part, self.constants, self.copy = part, constants, copy
        self.sizes: dict[str, int] = {}  # by names of the whole network
        self.kept: dict[str, str] = {}  # value to the field of the state that it lies in
        self._local, self._names = dict(sizes), {"x": into}

    def named(self, value: str) -> str:
        """A value's name in the whole network."""
        return self._names.setdefault(value, f"{self.part.name}.{value}")

    def size(self, value: str) -> int:
        """Elements of a value of the layer."""
        return self._local[value]

    def keep(self, state: str) -> None:
        """A state has a field of its own."""
        self.kept[self.named(state)] = f"state->{self.part.name}_{state}"

    def same(self, value: str, other: str, size: int) -> None:
        """A value is another one under a new name: nothing is computed."""
        self._names[value], self._local[value] = self.named(other), size

    def constant(self, value: str, place: str, size: int) -> None:
        """A value that lies in flash."""
        self._local[value] = size
        self.kept[self.named(value)] = place

    def call(
        self,
        text: str,
        args: tuple[str, ...],
        result: str,
        size: int,
        *kernels: str,
        in_place: bool = True,
    ) -> None:
        """Appends a call; `text` names its arguments `{0}`, `{1}`, its result `{r}`, `{n}` both."""
        self._local[result] = size
        reads, gives = tuple(map(self.named, args)), self.named(result)
        self.sizes[gives] = size
        fields = {str(k): f"{{{a}}}" for k, a in enumerate(reads)}
        for key, shown in {**fields, "r": f"{{{gives}}}", "n": str(size)}.items():
            text = text.replace(f"{{{key}}}", shown)
        self.part.calls.append(Call(text, reads, (gives,), in_place, kernels))

    def become(self, states: tuple[str, ...], new_states: tuple[str, ...]) -> None:
        """States take their new values, which are written at once where nothing reads the old."""
        pairs = list(zip(states, new_states, strict=True))
        calls: list[Call] = []
        for state, new in pairs:
            old, value = self.named(state), self.named(new)
            others = [self.named(n) for s, n in pairs if s != state]
            if old == value:
                continue
            if value not in others and old not in others and self._writes_over(old, value):
                self.kept[value] = self.kept[old]
            else:
                text = f"edgelstm_copy_{self.copy}({{{value}}}, {self.sizes[value]}, {{{old}}});"
                calls.append(Call(text, (value, old), kernels=(COPIES[self.copy],)))
        # A state that becomes the old value of another is copied before that one changes.
        self.part.calls += sorted(calls, key=lambda c: c.reads[0] not in self.kept)

    def _writes_over(self, old: str, value: str) -> bool:
        """Whether a value can be written where an old state lies."""
        made = next((k for k, c in enumerate(self.part.calls) if value in c.results), None)
        if made is None or value in self.kept:
            return False
        later = self.part.calls[made + 1 :]
        own = self.part.calls[made]
        return not any(old in c.reads for c in later) and (own.in_place or old not in own.reads)


COPIES = {"s16": "edgelstm_ends.c", "f32": "edgelstm_float32.c"}
