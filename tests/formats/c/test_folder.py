"""A folder of C: what stands in it, that it is read back, and what is refused."""

import json
import pathlib

import numpy as np
import pytest

import edgelstm
from edgelstm.errors import ModelError
from edgelstm.formats import encode
from edgelstm.formats.c.names import c_name, distinct
from edgelstm.runtimes.host import open_host
from tests.formats.c.networks import AnyNetwork, every_cell
from tests.networks import bidirectional_network, golden_lstm, random_input, random_network

NETWORKS = dict(every_cell()) | {"golden": golden_lstm()}
ROOT = pathlib.Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_it_is_read_back_as_it_was(tmp_path: pathlib.Path, network: AnyNetwork) -> None:
    path = edgelstm.write(network, tmp_path / "net_c")
    again = edgelstm.read(path)
    assert encode(again, "_c", name="net_c") == encode(network, "_c", name="net_c")
    assert again.precision == network.precision


def test_the_same_network_gives_the_same_text() -> None:
    network = NETWORKS["lstm_int8x"]
    made = encode(network, "_c", name="net_c", target="cortex-m4")
    assert made == encode(network, "_c", name="net_c", target="cortex-m4")
    for path, content in made.items():
        text = content.decode("utf-8")
        assert "\0" not in text and "\r" not in text, path
    assert {
        "src/net.h",
        "src/net.c",
        "src/net_weights.c",
        "src/net_tables.c",
        "src/edgelstm_kernels.h",
        "test/main_test.c",
        "examples/net/net.ino",
        "Makefile",
        "CMakeLists.txt",
        "library.properties",
        "zephyr/module.yml",
        "README.md",
        "LICENSE",
        "plan.json",
        "network.json",
    } <= set(made)


def test_the_licence_is_the_projects() -> None:
    own = ROOT / "kernels" / "c" / "folder" / "LICENSE"
    assert own.read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_places_by_lifetime_keep_ram_small(tmp_path: pathlib.Path) -> None:
    network = random_network("lstm", (40, 64))
    q = edgelstm.quantize(network, random_input(network, 4, 20), "int16x8")
    plan = json.loads(encode(q, "_c", name="net_c")["plan.json"])
    # h and c, x of a step, and the six values of an LSTM that are needed at once
    assert plan["state_bytes"] <= 2 * (64 + 64 + 40) + 768
    fields = plan["states"]
    assert {name: field["elements"] for name, field in fields.items()} == {
        "lstm1_h": 64,
        "lstm1_c": 64,
    }


@pytest.mark.parametrize(
    ("name", "network", "told"),
    [
        ("both", bidirectional_network(), "bidirectional"),
        ("hybrid", None, "hybrid is for Raspberry Pis"),
    ],
)
def test_what_c_has_no_form_for_is_refused(
    tmp_path: pathlib.Path, name: str, network: AnyNetwork | None, told: str
) -> None:
    if network is None:
        float_network = random_network("lstm", (3, 4))
        x = random_input(float_network, 2, 9)
        network = edgelstm.quantize(float_network, x, "hybrid")
    with pytest.raises(ModelError, match=told):
        edgelstm.write(network, tmp_path / f"{name}_c")
    assert not list(tmp_path.iterdir())


def test_an_unknown_core_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ModelError, match="target 'cortex-m5' is unknown"):
        edgelstm.write(random_network("lstm", (3, 4)), tmp_path / "net_c", target="cortex-m5")


@pytest.mark.parametrize(
    "broken",
    [
        lambda text: text[:-20],
        lambda text: text.replace('"version": 1', '"version": 9'),
        lambda text: text.replace('"int8"', '"int4"', 1),
        lambda text: "[]",
    ],
)
def test_a_broken_twin_is_an_error(tmp_path: pathlib.Path, broken: object) -> None:
    path = edgelstm.write(NETWORKS["lstm_int8x"], tmp_path / "net_c")
    twin = path / "network.json"
    twin.write_text(broken(twin.read_text()))  # type: ignore[operator]
    with pytest.raises(ModelError):
        edgelstm.read(path)


def test_edited_weights_differ(tmp_path: pathlib.Path) -> None:
    path = edgelstm.write(NETWORKS["lstm_int8x"], tmp_path / "net_c")
    assert [v.status for v in edgelstm.verify(path).verified] == ["ok"]
    weights = path / "src" / "net_weights.c"
    text = weights.read_text()
    start = text.index("net_lstm1_weight[")
    weights.write_text(text[:start] + text[start:].replace("{\n    ", "{\n    1", 1))
    (found,) = edgelstm.verify(path).verified
    assert found.status == "differs" and found.mismatches


def test_names_are_those_of_c() -> None:
    assert [c_name(n) for n in ("a b", "über", "int", "1")] == ["a_b", "ber", "n_int", "n1"]
    assert distinct(["a b", "a_b"]) == {"a b": "a_b", "a_b": "a_b_2"}


def test_a_stream_goes_on_where_it_stopped(tmp_path: pathlib.Path) -> None:
    network = NETWORKS["gru_int8x"]
    rng = np.random.default_rng(4)
    x = rng.integers(-128, 128, (3000, network.input_size)).astype(np.int8)
    expected = edgelstm.run(network, x[None], engine="reference")[0]
    opened = open_host(edgelstm.write(network, tmp_path / "net_c"), {})
    first = np.array([opened.step(x_t) for x_t in x])
    np.testing.assert_array_equal(first, expected)
    np.testing.assert_array_equal(opened.run(x[None])[0], expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lstm_int8x", "gru_int8x", "lstm_peephole_int16x8x"])
def test_a_stream_of_100_000_steps_does_not_drift(tmp_path: pathlib.Path, name: str) -> None:
    network, steps = NETWORKS[name], 100_000
    assert network.input is not None
    low, high = network.input.limits
    x = np.random.default_rng(5).integers(low, high + 1, (2, steps, network.input_size))
    x = x.astype(network.input.type)
    expected = edgelstm.run(network, x)
    path = edgelstm.write(network, tmp_path / "net_c", target="cortex-m4")
    opened, other = open_host(path, {}), open_host(path, {})
    np.testing.assert_array_equal(opened.run(x[:1])[0], expected[0])
    both = (opened, x[0], expected[0]), (other, x[1], expected[1])
    opened.reset()
    for t in range(steps):  # two instances, in turns
        for file, x_b, y_b in both:
            if not np.array_equal(file.step(x_b[t]), y_b[t]):
                raise AssertionError(f"step {t}")
    opened.reset()
    np.testing.assert_array_equal([opened.step(x_t) for x_t in x[0, :100]], expected[0, :100])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "../elsewhere"),
        ("core", "cortex-m5"),
        ("inputs", -1),
        ("state_bytes", True),
        ("layers", [{"name": "lstm1"}]),
        ("files", [["src/net.c"]]),
    ],
)
def test_a_plan_that_was_edited_is_an_error(
    tmp_path: pathlib.Path, key: str, value: object
) -> None:
    path = edgelstm.write(NETWORKS["lstm_int8x"], tmp_path / "net_c")
    plan = json.loads((path / "plan.json").read_text())
    (path / "plan.json").write_text(json.dumps(plan | {key: value}))
    with pytest.raises(ModelError, match=f"plan.json is not what was written .'{key}' is"):
        edgelstm.verify(path)


def test_a_folder_that_is_none_is_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "net_c"
    for kind, told in (("absent", "does not exist"), ("file", "is a file, not a folder")):
        if kind == "file":
            path.write_bytes(b"")
        with pytest.raises(ModelError, match=told):
            edgelstm.read(path)
    path.unlink()
    path.mkdir()
    for use in (edgelstm.read, edgelstm.verify):
        with pytest.raises(ModelError, match="network.json does not exist"):
            use(path)


def test_a_folder_with_files_of_others_is_kept(tmp_path: pathlib.Path) -> None:
    network = NETWORKS["lstm_int8x"]
    path = edgelstm.write(network, tmp_path / "net_c")
    (path / "test_net").write_bytes(b"what make test leaves")
    edgelstm.write(network, path)
    assert not (path / "test_net").exists()
    (path / "src" / "mine.c").write_text("int mine;")
    with pytest.raises(ModelError, match="holds files that were not written with it: src/mine.c"):
        edgelstm.write(network, path)
    assert (path / "src" / "mine.c").exists()
    other = tmp_path / "other_c"
    other.mkdir()
    (other / "notes.txt").write_text("mine")
    with pytest.raises(ModelError, match="notes.txt"):
        edgelstm.write(network, other)
