"""Laws of cycles: fitted to what was published, held against each run that is left out."""

import pytest

from benchmarks import published
from edgelstm.cost.count_ops import count
from edgelstm.cost.cycles import default_kernels
from edgelstm.cost.energy import estimate
from edgelstm.cost.laws import A53_MACS_PER_CYCLE, BOARD_LAWS, CLASSES, LAWS, SCALED_HALF_WIDTH, Law
from edgelstm.devices.device import Device, device_names, read_device
from edgelstm.model.sizes import shapes

LEFT = list(published.left_out())
GROUPS = sorted({left.group for left in LEFT})


def chip(name: str) -> str:
    return read_device(name).texts["chip"]


@pytest.mark.parametrize(("kernels", "precision"), [("tflm", "float32"), ("tflm-unrolled", "int8")])
def test_laws_are_those_that_the_published_runs_give(kernels: str, precision: str) -> None:
    law, found = LAWS[kernels, precision], published.runs()
    own = [run for run in found if (run.kernels, run.precision) == (kernels, precision)]
    fitted = published.fit([run for run in own if run.device == published.REFERENCE])
    assert (law.per_mac, law.per_activation) == pytest.approx(
        (fitted.per_mac, fitted.per_activation),
        rel=0.005,  # printed digits
    )
    assert law.n_points == len(own)
    for device in {run.device for run in own}:
        here = [run for run in own if run.device == device]
        expected = published.factor(here, law)
        # The reference board's own factor is 1, which its fit makes of it.
        assert law.factors[chip(device)] == pytest.approx(expected, rel=0.02)


def test_the_law_of_an_interpreter_is_that_of_its_published_runs() -> None:
    law = BOARD_LAWS["interpreter-python"]
    own = [run for run in published.runs() if run.kernels == "interpreter-python"]
    hybrid = [run for run in own if run.precision == "hybrid"]
    per_call, per_mac = published.fit_calls(hybrid)
    assert law.macs_per_cycle is not None
    assert law.call_us[1] == pytest.approx(per_call / 1400, rel=0.005)
    assert law.macs_per_cycle["hybrid"] == pytest.approx(1 / per_mac, rel=0.005)
    (real,) = (run for run in own if run.precision == "float32")
    per_mac = (real.cycles - real.calls * per_call) / real.macs
    assert law.macs_per_cycle["float32"] == pytest.approx(1 / per_mac, rel=0.005)
    assert law.reference_macs_per_us == A53_MACS_PER_CYCLE * 1400
    assert law.n_points == len(own)


@pytest.mark.parametrize("group", GROUPS)
def test_runs_that_are_left_out_lie_inside_their_class(group: str) -> None:
    own = [left.inside for left in LEFT if left.group == group]
    assert sum(own) >= 0.8 * len(own)


def test_no_class_is_off_on_one_side() -> None:
    assert published.one_sided(LEFT) == []
    for group, _, _, bias, _ in published.table(LEFT):
        assert 0.85 < bias < 1.15, group


def test_every_published_run_is_left_out_but_those_that_stand_alone() -> None:
    alone = {"interpreter-python float32", "tflm int8"}
    every = [f"{run.kernels} {run.precision}" for run in published.runs()]
    expected = sorted(group for group in every if group not in alone)
    assert sorted(x.group for x in LEFT if x.group != "published int8") == expected


def test_a_chip_without_a_run_of_its_own_is_within_the_scaled_width() -> None:
    found = list(published.chip_left_out())
    assert {left.inside for left in found} == {True}
    assert max(max(x.ratio, 1 / x.ratio) for x in found) > 1 + SCALED_HALF_WIDTH / 2  # not idle


@pytest.mark.parametrize("run", published.runs(), ids=lambda r: f"{r.kernels} {r.device} {r.model}")
def test_the_estimate_contains_the_published_run(run: published.Run) -> None:
    device = read_device(run.device)
    if not run.counts or run.calls:
        return  # of these the MACs alone are known
    found = [estimate(counts, device, run.kernels).latency_us for counts in run.counts]
    ends = [
        sum(getattr(i, end) for i in found if i) * device.clock.typical for end in ("low", "high")
    ]
    assert ends[0] <= run.cycles <= ends[1]


@pytest.mark.parametrize(
    ("device", "cell", "precision", "expected"),
    [
        ("stm32u575", "lstm", "int8", "tflm"),
        ("stm32u575", "gru", "int8", "tflm-unrolled"),
        ("stm32u575", "gru", "float32", "tflm"),
        ("rpi-4b", "lstm", "hybrid", "interpreter-python"),
        ("rpi-4b", "gru", "float32", "interpreter-python"),
    ],
)
def test_the_default_is_what_people_run(
    device: str, cell: str, precision: str, expected: str
) -> None:
    counts = count(shapes(cell, 9, 16), precision=precision)
    assert default_kernels(counts, read_device(device)) == expected
    assert estimate(counts, read_device(device)).kernels == expected


def test_a_projection_is_no_fused_lstm() -> None:
    counts = count(shapes("lstm", 9, 16, projection=8), precision="int8")
    assert default_kernels(counts, read_device("stm32u575")) == "tflm-unrolled"


def bounds(device: Device, kernels: str, precision: str) -> float | None:
    counts = count(shapes("gru", 9, 16), precision=precision)
    latency = estimate(counts, device, kernels).latency_us
    return None if latency is None else latency.high / latency.low


@pytest.mark.parametrize("name", device_names())
@pytest.mark.parametrize(("kernels", "precision"), [("tflm", "float32"), ("tflm-unrolled", "int8")])
def test_a_class_that_a_chip_lacks_is_a_factor_of_2_wide_or_absent(
    name: str, kernels: str, precision: str
) -> None:
    device = read_device(name)
    width = bounds(device, kernels, precision)
    if device.texts["chip"] not in LAWS[kernels, precision].factors:
        assert width is None or width >= 4
        if width:
            counts = count(shapes("gru", 9, 16), precision=precision)
            assert estimate(counts, device, kernels).basis == "assumed"


def test_every_law_says_where_it_comes_from() -> None:
    for (kernels, precision), law in LAWS.items():
        assert kernels in CLASSES
        assert precision in ("int8", "float32", "int8 composed", "int16x8 composed")
        assert isinstance(law, Law)
        assert len(law.source) > 20
    assert all(law.source for law in BOARD_LAWS.values())


def test_a_chip_without_a_run_is_told_from_one_that_was_measured() -> None:
    counts = count(shapes("lstm", 9, 16), precision="float32")
    measured, scaled = (estimate(counts, read_device(n), "tflm").notes for n in ("esp32", "rp2350"))
    assert any("as built for the published runs" in note for note in measured)
    assert any("within a factor of 3" in note for note in scaled)
