"""Modules that cannot be read: the error says what they are, and what to do."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgelstm.errors import ModelError
from edgelstm.formats import read
from edgelstm.formats.torch.read import from_torch
from tests.torch_modules import HIDDEN, INPUTS, Net, nn, torch

pytestmark = pytest.mark.filterwarnings("ignore")  # torch's, of what it will take away
X = torch.zeros(2, 5, INPUTS)


class With(nn.Module):  # type: ignore[misc]
    """A recurrent layer, another module, and what `call` does with both."""

    def __init__(self, other: Any, call: Callable[[Any, Any], Any], inputs: int = INPUTS) -> None:
        super().__init__()
        self.rnn = nn.LSTM(inputs, HIDDEN, batch_first=True)
        self.other, self.call = other, call

    def forward(self, x: Any) -> Any:
        return self.call(self, x)


class WithLengths(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(INPUTS, HIDDEN)

    def forward(self, x: Any, lengths: Any) -> Any:
        return self.rnn(nn.utils.rnn.pack_padded_sequence(x, lengths))


class Last(nn.Module):  # type: ignore[misc]
    """The last step of what a recurrent layer returns, steps first."""

    def forward(self, returned: Any) -> Any:
        return returned[0][-1]


def net() -> Any:
    return Net().eval()


def packed(module: Any, x: Any) -> Any:
    lengths = torch.full((x.size(0),), x.size(1))
    return module.rnn(nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True))[1][0]


def quantized(*kinds: Any) -> Any:
    return torch.ao.quantization.quantize_dynamic(net(), set(kinds), torch.qint8)


def static(*, converted: bool) -> Any:
    stubs = torch.ao.quantization.QuantStub(), torch.ao.quantization.DeQuantStub()
    module = nn.Sequential(stubs[0], nn.Linear(INPUTS, 3), stubs[1]).eval()
    module.qconfig = torch.ao.quantization.default_qconfig
    torch.ao.quantization.prepare(module, inplace=True)(X)
    return torch.ao.quantization.convert(module) if converted else module


def behind(other: Any) -> Any:
    return With(other, lambda m, x: m.other(m.rnn(x)[0]))


def in_front(other: Any, inputs: int = INPUTS) -> Any:
    return With(other, lambda m, x: m.rnn(m.other(x))[0], inputs)


def convolved(module: Any, x: Any) -> Any:
    return module.rnn(module.other(x.transpose(1, 2)).transpose(1, 2))[0]


KINDS: dict[str, tuple[Callable[[], Any], str]] = {
    "scripted": (lambda: torch.jit.script(nn.Sequential(nn.Linear(2, 3))), "of TorchScript"),
    "traced": (lambda: torch.jit.trace(net(), X), r"of TorchScript \(torch.jit\); give the module"),
    "exported": (lambda: torch.export.export(net(), (X,)).module(), "that torch.export made; give"),
    "program": (lambda: torch.export.export(net(), (X,)), "a ExportedProgram came; give the mod"),
    "dynamic": (lambda: quantized(nn.LSTM, nn.Linear), r"is quantized.*LSTM 'rnn'\); give the flo"),
    "dynamic dense": (lambda: quantized(nn.Linear), r"is quantized.*Linear 'fc"),
    "dynamic LSTM": (lambda: quantized(nn.LSTM), "is quantized.*LSTM 'rnn'"),
    "static": (lambda: static(converted=True), "is quantized, .*float module that it was made"),
    "prepared": (lambda: static(converted=False), "prepared for it .*float module that it was"),
    "conv of another width": (
        lambda: With(nn.Conv1d(INPUTS, 6, 3, padding=1), convolved, 6),
        "With: holds the Conv1d 'other'; convolutions .*what follows$",
    ),
    "conv": (
        lambda: With(nn.Conv1d(INPUTS, INPUTS, 1), convolved),
        "holds the Conv1d 'other'.*aten",
    ),
    "conv alone": (lambda: nn.Conv2d(1, 2, 3), "Conv2d: holds the Conv2d; convolutions are not"),
    "batch norm": (
        lambda: nn.Sequential(nn.LSTM(INPUTS, 3), Last(), nn.BatchNorm1d(3)),
        "the output is scaled and shifted; a batch norm, .* needs a dense or recurrent layer",
    ),
    "gelu": (lambda: nn.Sequential(net(), nn.GELU()), "holds the GELU '1'; .*use relu"),
    "group norm": (lambda: behind(nn.GroupNorm(1, 5)), "holds the GroupNorm 'other'; norm lay"),
    "function": (
        lambda: With(None, lambda m, x: nn.functional.gelu(m.rnn(x)[0])),
        "aten.gelu.default .*this operator is not supported; lstm, gru, linear",
    ),
    "bag": (lambda: in_front(nn.EmbeddingBag(9, INPUTS)), "holds the EmbeddingBag 'other'; bags"),
    "functional embedding": (
        lambda: With(None, lambda m, x: m.rnn(nn.functional.embedding(x, X[0]))[0]),
        "looks rows up by integers behind other layers: compute it before",
    ),
    "attention": (
        lambda: With(
            nn.MultiheadAttention(HIDDEN, 2, batch_first=True),
            lambda m, x: m.other(*[m.rnn(x)[0]] * 3)[0],
        ),
        "holds the MultiheadAttention 'other'; attention is not supported: give the recurrent part",
    ),
    "transformer": (lambda: nn.Transformer(INPUTS, 2), "holds the Transformer; attention is not"),
    "pooling": (
        lambda: With(nn.MaxPool1d(2), lambda m, x: m.other(m.rnn(x)[0].transpose(1, 2))),
        "holds the MaxPool1d 'other'; pooling is not supported",
    ),
    "(batch, steps)": (
        lambda: With(None, lambda m, x: m.rnn(x.unsqueeze(-1))[0], 1),
        r"takes \(batch, steps\) .*: from_torch\(module, example=torch.zeros\(2, 5\)\)",
    ),
    "(batch, steps), indexed": (
        lambda: With(None, lambda m, x: m.rnn(x[:, :, None])[0], 1),
        r"takes \(batch, steps\) and adds the axis",
    ),
    "packed": (lambda: With(None, packed), "packs sequences .* without pack_padded_sequence"),
    "lengths": (WithLengths, r"its forward takes lengths beside x; .* forward\(x\) sets the rest"),
    "lazy": (lambda: nn.LazyLinear(3), "has no weights yet, as a Lazy module .*run it once"),
    "own weights": (lambda: nn.ParameterList([X]), "holds no LSTM, .*one of torch.nn's is"),
    "state dict": (lambda: net().state_dict(), "a OrderedDict came; load it into the module"),
    "name": (lambda: "model.pt", r"a str came; files are read by edgelstm.read\(path\)"),
    "path": (lambda: Path("model.pt"), r"files are read by edgelstm.read\(path\)"),
    "class": (
        lambda: WithLengths,
        r"give an object of the class: from_torch\(WithLengths\(...\)\)",
    ),
    "function itself": (lambda: net().forward, "a method came; give the trained module itself"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_error_names_the_cause_and_the_next_step(kind: str) -> None:
    make, words = KINDS[kind]
    with pytest.raises(ModelError, match=words) as error:
        from_torch(make())
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "make",
    [torch.compile, nn.DataParallel, torch.fx.symbolic_trace],
    ids=["compiled", "data parallel", "fx"],
)
def test_modules_around_modules_stay_readable(make: Callable[[Any], Any]) -> None:
    assert from_torch(make(net())).input_size == INPUTS


@pytest.mark.parametrize(
    "make",
    [
        lambda: quantized(nn.LSTM, nn.Linear),
        lambda: quantized(nn.Linear),
        lambda: static(converted=True),
    ],
    ids=["LSTM", "dense", "static"],
)
def test_state_dicts_of_quantized_modules_are_called_so(
    make: Callable[[], Any], tmp_path: Path
) -> None:
    torch.save(make().state_dict(), path := tmp_path / "net.pt")
    with pytest.raises(ModelError, match="holds quantized weights .*those of the float network"):
        read(path)
