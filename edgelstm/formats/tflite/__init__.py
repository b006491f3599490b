"""The .tflite format: one fused operator per LSTM layer."""

import dataclasses
import pathlib


@dataclasses.dataclass(frozen=True)
class FileFacts:
    """What a .tflite file is fixed to, beside its network.

    Attributes:
        steps: Time steps per call.
        input_type, output_type: `float32` or `int8`. A file with an int8 network that takes or
            gives float32 converts at its ends, with the scales of the network's input and output.
    """

    steps: int
    input_type: str
    output_type: str

    @property
    def streaming(self) -> bool:
        """One step per call; the runtime keeps the state between calls."""
        return self.steps == 1


def facts(path: pathlib.Path) -> FileFacts:
    """What a file is fixed to; `ModelError` if it is damaged or not of this format."""
    from edgelstm.formats.tflite.read import open_model, steps_of

    model = open_model(path)
    return FileFacts(steps_of(path, model), model.input.type, model.output.type)
