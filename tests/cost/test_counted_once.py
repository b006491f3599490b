"""What is kept of counting: each cell traced once, each kind of layer counted once, few of them."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

from edgelstm.cells import CELLS
from edgelstm.cells.spec import sigmoid, tanh, trace
from edgelstm.cost.count_ops import count, count_part
from edgelstm.layers.recurrent import Recurrent
from edgelstm.layers.recurrent_sizes import RecurrentSizes
from edgelstm.model.network import Network
from edgelstm.model.plan import plan
from edgelstm.model.sizes import shapes
from edgelstm.tools import profiler
from tests.networks import bidirectional_network
from tests.shapes import lstm, one, recurrent
from tests.tools.test_cli import run

KEPT = (trace, count_part)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[RecurrentSizes, str]]]:
    """Plans that counting makes, from a state where nothing is kept."""
    found: list[tuple[RecurrentSizes, str]] = []

    def noted(name: str, sizes: Any, precision: Any) -> Any:
        if isinstance(sizes, RecurrentSizes):
            found.append((sizes, precision.name))
        return plan(name, sizes, precision)

    monkeypatch.setattr("edgelstm.cost.count_ops.plan", noted)
    for kept in KEPT:
        kept.cache_clear()
    yield found
    for kept in KEPT:
        kept.cache_clear()


def test_one_profile_counts_its_network_once(
    made: list[tuple[RecurrentSizes, str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    counted: list[tuple[int, str | None]] = []

    def noted(network: Network, *about: Any) -> Any:
        counted.append((network.input_size, about[-1]))
        return count(network, *about)

    monkeypatch.setattr(profiler, "count", noted)
    devices = [word for name in ("stm32u575", "nrf52840", "rpi-5") for word in ("--device", name)]
    assert run("profile", *devices, "--json") == 0
    capsys.readouterr()
    own = [precision for input_size, precision in counted if input_size == 12]  # the bundled one's
    assert own == ["int8", "hybrid"]
    first = [(s.spec.name, p) for s, p in made if (s.input_size, s.projection_size) == (12, 0)]
    assert first.count(("lstm", "int8")) == first.count(("lstm", "hybrid")) == 1
    assert len(set(made)) == len(made)
    assert trace.cache_info().misses == trace.cache_info().currsize


def test_layers_of_one_kind_are_counted_once(made: list[tuple[RecurrentSizes, str]]) -> None:
    counts = count(shapes("gru", 8, 8, layers=5, outputs=3), precision="int8")
    count(bidirectional_network("gru", (8, 8)), precision="int8")
    assert len(made) == 1
    assert [layer.name for layer in counts.layers] == [*(f"gru{k}" for k in range(1, 6)), "dense1"]
    assert counts.total.macs == 5 * 3 * 8 * 16 + 3 * 8


def test_what_is_kept_is_bounded() -> None:
    assert all(kept.cache_info().maxsize for kept in KEPT)


def test_layers_that_differ_in_anything_are_counted_apart() -> None:
    lstms = {p: count(lstm(4, 6), precision=p).total for p in ("float32", "int8", "hybrid")}
    assert [total.weight_bytes for total in lstms.values()] == [4 * 240, 240, 240]
    assert [total.bias_bytes for total in lstms.values()] == [96, 96, 96]
    assert [total.requantizations for total in lstms.values()] == [0, 2 * 24 + 3 * 6, 48 + 4 + 6]
    assert [count(shapes("lstm", 4, 6, projection=p)).total.macs for p in (None, 6, 2)] == [
        24 * (4 + 6),
        24 * (4 + 6) + 6 * 6,
        24 * (4 + 2) + 2 * 6,
    ]


def test_a_clip_holds_a_value_more_and_counts_the_same() -> None:
    layer = recurrent("lstm_peephole", 4, 6).forward
    plain, clipped = (
        count(one(Recurrent((dataclasses.replace(layer, cell_clip=clip),))), precision="float32")
        for clip in (0.0, 2.0)
    )
    assert clipped.total == plain.total
    more = clipped.buffers[0].scratch_bytes
    assert sorted(more) == sorted((*plain.buffers[0].scratch_bytes, 4 * 6))


def test_other_equations_under_a_known_name_are_counted_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def leaky(W: Any, U: Any, x: Any, h: Any) -> tuple[Any]:
        return (sigmoid(W.f(x)) * h + tanh(W.n(x)),)

    before = count(shapes("mgu", 5, 7)).total
    monkeypatch.setitem(CELLS, "mgu", dataclasses.replace(CELLS["mgu"], equations=leaky))
    after = count(shapes("mgu", 5, 7)).total
    assert (before.macs, after.macs) == (2 * 7 * (5 + 7), 2 * 7 * 5)


def test_counts_say_what_memory_needs_to_know_and_keep_it_from_reports() -> None:
    counts = count(bidirectional_network("lstm", (3, 2), outputs=5, last_step=True))
    assert [(b.operator, b.n_directions, b.once) for b in counts.buffers] == [
        ("lstm", 2, False),
        ("dense", 1, True),
    ]
    assert "buffers" not in counts.to_dict()
