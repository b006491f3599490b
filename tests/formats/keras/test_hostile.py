"""Broken and hostile Keras files: refused in one line, soon, in little memory; nothing is run."""

import base64
import json
import marshal
import os
import random
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from edgelstm.errors import ModelError
from edgelstm.formats import read
from tests.keras_files import (
    archived,
    changed,
    keras_2_h5,
    layers,
    saved,
    sequential,
)

L = layers
MANY = 10**12
DEEP = 10**5
NAME = "model_weights/rnn/rnn/lstm_cell_7/kernel:0"


def model() -> Any:
    return sequential(L.LSTM(4, name="rnn"), L.Dense(2, name="head"))


def h5(path: Path) -> Path:
    return keras_2_h5(model(), path, as_bytes=False)


Change = Callable[[Any], Any]


def replaced(file: Any, make: Callable[[Any, str], Any]) -> None:
    """Another kernel in the place of the first one."""
    group, _, name = NAME.rpartition("/")
    del file[NAME]
    make(file[group], name)


def other_filter(group: Any, name: str) -> None:
    group.create_dataset(name, (4, 16), np.float32, np.ones((4, 16)), compression="lzf")


def bomb(group: Any, name: str) -> None:
    held = group.create_dataset(name, (2**27, 16), np.float32, chunks=(2**16, 16), compression=9)
    held[: 2**16] = 0


def external(group: Any, name: str) -> None:
    group.create_dataset(name, (4, 16), np.float32, external=[("/etc/passwd", 0, 256)])


def virtual(group: Any, name: str) -> None:
    layout = h5py.VirtualLayout((4, 16), np.float32)
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4, 16))
    group.create_virtual_dataset(name, layout)


def linked(link: Any) -> Change:
    def link_in(group: Any, name: str) -> None:
        group[name] = link

    return lambda file: replaced(file, link_in)


def of_references(group: Any, name: str) -> None:
    group.create_dataset(name, data=np.array([group.ref] * 64), dtype=h5py.ref_dtype)


def of_texts(group: Any, name: str) -> None:
    group.create_dataset(name, data=np.array(["a"] * 64, object), dtype=h5py.string_dtype())


def unwritten(group: Any, name: str) -> None:
    group.create_dataset(name, (4, 16), np.float32)  # storage comes with the first value


def repeated_texts(file: Any) -> None:
    """Many texts, each as long as the file's longest."""
    file.attrs["long"] = "x" * 10**7
    group = file["model_weights/rnn"]
    group.attrs["weight_names"] = np.array(["y" * 10**6] + ["z"] * 3000, object)


# What is done to a good .h5 file to what its error says.
IN_H5: dict[str, tuple[Change, str]] = {
    "claims": (
        lambda file: replaced(file, lambda g, n: g.create_dataset(n, (MANY, 16), np.float32)),
        "claims 16,000,000,000,000 values",
    ),
    "unwritten": (lambda file: replaced(file, unwritten), "claims more values than the file holds"),
    "lzf": (lambda file: replaced(file, other_filter), "packed in a way that is not undone here"),
    "bomb": (lambda file: replaced(file, bomb), "claims 2,147,483,648 values"),
    "external": (lambda file: replaced(file, external), "lies in another file"),
    "virtual": (lambda file: replaced(file, virtual), "lies in another file"),
    "soft link": (linked(h5py.SoftLink("/model_weights/head")), "is a link to elsewhere"),
    "external link": (linked(h5py.ExternalLink("/etc/passwd", "/x")), "is a link to elsewhere"),
    "references": (lambda file: replaced(file, of_references), "not numbers"),
    "texts": (lambda file: replaced(file, of_texts), "not numbers"),
    "integers": (
        lambda file: replaced(file, lambda g, n: g.create_dataset(n, data=np.ones((4, 16), int))),
        "weights are needed in float16",
    ),
    "not finite": (
        lambda file: replaced(
            file, lambda g, n: g.create_dataset(n, data=np.full((4, 16), np.nan))
        ),
        "that are not finite",
    ),
    "no rows": (
        lambda file: replaced(file, lambda g, n: g.create_dataset(n, data=np.ones((0, 16)))),
        "weight_ih has shape (16, 0)",
    ),
    "a group": (lambda file: replaced(file, lambda g, n: g.create_group(n)), "is missing"),
    "cycle": (
        lambda file: (
            file["model_weights/rnn"].__setitem__("rnn2", file["model_weights"]),
            file["model_weights/rnn"].attrs.__setitem__(
                "weight_names", ["rnn2/rnn/" * 30 + "rnn2/x"] * 3
            ),
        ),
        "is missing",
    ),
    "a long path": (
        lambda file: file["model_weights/rnn"].attrs.__setitem__("weight_names", ["x/" * 999] * 3),
        "is no path in the file",
    ),
    "outside": (
        lambda file: file["model_weights/rnn"].attrs.__setitem__("weight_names", ["../x"] * 3),
        "is no path in the file",
    ),
    "names of numbers": (
        lambda file: file["model_weights/rnn"].attrs.__setitem__("weight_names", np.ones(3)),
        "is no text",
    ),
    "many names": (
        lambda file: file["model_weights/rnn"].attrs.__setitem__("weight_names", ["x"] * 900),
        "has 900 arrays of weights; 3 are needed",
    ),
    "repeated texts": (repeated_texts, "claims 3,001 texts"),
    "no weights": (lambda file: file.__delitem__("model_weights"), "holds no group"),
    "config is a number": (
        lambda file: file.attrs.__setitem__("model_config", 3),
        "attribute 'model_config' is no text",
    ),
    "config is no JSON": (
        lambda file: file.attrs.__setitem__("model_config", "{"),
        "model_config is not JSON",
    ),
    "deep": (
        lambda file: file.attrs.__setitem__("model_config", "[" * DEEP + "]" * DEEP),
        "model_config is nested too deep",
    ),
    "not a model": (lambda file: file.attrs.__setitem__("model_config", "[1]"), "a layer is no"),
}


def lying(path: Path, where: str) -> Path:
    """An .h5 file whose texts, or where they lie together, claim 2 GB."""
    content = bytearray(h5(path).read_bytes())
    heap = content.find(b"GCOL")
    if where == "heap":
        content[heap + 8 : heap + 16] = struct.pack("<Q", 2**31)
    else:
        text = content.find(struct.pack("<QI", heap, 1)) - 4
        content[text : text + 4] = struct.pack("<I", 2**31)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("where", ["heap", "text"])
def test_texts_that_claim_more_than_the_file_are_refused(where: str, tmp_path: Path) -> None:
    assert "2,147,483,648 B" in refused(lying(tmp_path / "net.h5", where))


def refused(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        read(path)
    said = str(caught.value)
    assert said.startswith(path.name) and "\n" not in said and len(said) < 600, said
    return said


@pytest.mark.parametrize("name", IN_H5)
def test_an_h5_that_asks_for_more_than_numbers_is_refused(name: str, tmp_path: Path) -> None:
    change, expected = IN_H5[name]
    path = h5(tmp_path / "net.h5")
    with h5py.File(path, "r+") as file:
        change(file)
    assert expected in refused(path)


def evil(folder: Path) -> dict[str, Any]:
    """A Lambda whose code makes a folder."""
    code = compile(f"__import__('os').mkdir({str(folder / 'ran')!r})", "x", "eval")
    packed_code = base64.b64encode(marshal.dumps(code)).decode()
    function = {"class_name": "__lambda__", "config": {"code": packed_code}}
    config = {"name": "evil", "function": function, "dtype": "float32"}
    return {"module": "keras.layers", "class_name": "Lambda", "config": config}


def add(layer: dict[str, Any]) -> Change:
    return lambda config: config["config"]["layers"].append(layer)


def nested(config: Any) -> None:
    """Models in models."""
    inner = config["config"]["layers"].pop(0)
    for k in range(100):
        held = {"name": f"s{k}", "layers": [inner]}
        inner = {"class_name": "Sequential", "config": held}
    config["config"]["layers"].insert(1, inner)


def of(name: str, value: Any, k: int = 1) -> Change:
    return lambda config: config["config"]["layers"][k]["config"].update({name: value})


IN_CONFIG: dict[str, tuple[Change, str]] = {
    "units of text": (of("units", "4"), "units is '4'; a whole number"),
    "units without end": (of("units", 10**4000), "units is"),
    "flag": (of("use_bias", "yes"), "use_bias is 'yes'; true or false is needed"),
    "no name": (of("name", 5), "a layer has no name"),
    "long name": (of("name", "x" * 10**6), "a layer has no name, or a long one"),
    "same names": (of("name", "head"), "layer 'head' stands there twice"),
    "steps": (of("batch_shape", [None, 10**9, 4], 0), "steps is 1000000000"),
    "no features": (of("batch_shape", [None, None, None], 0), "input_size is None"),
    "four axes": (of("batch_shape", [None, 2, 3, 4], 0), "(batch, steps, input_size) is read"),
    "policy": (of("dtype", {"class_name": "os.system", "config": {}}), "by the policy 'os.system'"),
    "activation": (of("activation", {"class_name": "x"}, 2), "is not supported"),
    "no layers": (lambda config: config["config"].update(layers=[]), "no list of 1 to 500 layers"),
    "layers": (lambda config: config["config"].update(layers={"a": 1}), "no list of 1 to 500"),
    "many layers": (
        lambda config: config["config"].update(layers=[{"class_name": "x", "config": {}}] * 501),
        "no list of 1 to 500 layers",
    ),
    "a class of others": (
        add({"module": "os", "class_name": "system", "config": {"name": "rm"}}),
        "layer 'rm' (system) is a class of others (os)",
    ),
    "a class not known": (
        add({"class_name": "system", "config": {"name": "rm"}}),
        "layer 'rm' (system) is not supported",
    ),
    "models in models": (nested, "more than 8 models in models"),
    "a subclass": (lambda config: config.update(class_name="Net"), "a class whose code is not in"),
}


@pytest.mark.parametrize("name", IN_CONFIG)
def test_a_description_of_something_else_is_refused(name: str, tmp_path: Path) -> None:
    change, expected = IN_CONFIG[name]
    assert expected in refused(changed(saved(model(), tmp_path / "net.keras"), change))


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    for suffix in (".keras", ".h5"):
        path = saved(model(), tmp_path / f"net{suffix}")
        if suffix == ".keras":
            changed(path, add(evil(tmp_path)))
        else:
            with h5py.File(path, "r+") as file:
                config = json.loads(file.attrs["model_config"])
                add(evil(tmp_path))(config)
                file.attrs["model_config"] = json.dumps(config)
        assert "layer 'evil' (Lambda) is not supported: its code is not run" in refused(path)
    assert not (tmp_path / "ran").exists()


def archives(folder: Path) -> Iterator[tuple[Path, str]]:
    """Archives that are none of Keras's, with what is said of them."""
    path = saved(model(), folder / "net.keras")
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    config, weights = held["config.json"], held["model.weights.h5"]
    without = {k: v for k, v in held.items() if k != "config.json"}
    deep = b"[" * DEEP + b"]" * DEEP
    for name, entries, said in (
        ("without", without, "holds 0 entries config.json"),
        ("elsewhere", {**without, "x/config.json": config}, "holds 1 entries config.json"),
        ("two", {**held, "x/config.json": config}, "holds 2 entries config.json"),
        ("cases", {**held, "Config.json": config}, "holds 2 entries config.json"),
        ("outside", {**held, "../../evil": b"x"}, "is outside of the archive"),
        ("absolute", {**held, "/etc/evil": b"x"}, "is outside of the archive"),
        ("weightless", {"config.json": config}, "holds no model.weights.h5"),
        ("deep", {**held, "config.json": deep}, "config.json is nested too deep"),
        ("long", {**held, "config.json": b" " * 2**24}, "config.json has 16,777,216 B"),
        ("text", {**held, "config.json": b"\xff\xfe"}, "config.json is not JSON"),
        ("no hdf5", {**held, "model.weights.h5": b"PK" + bytes(99)}, "is not HDF5"),
        ("cut", {**held, "model.weights.h5": weights[:1500]}, "is a broken HDF5 file"),
    ):
        yield archived(folder / f"{name}.keras", entries), said
    twice = folder / "twice.keras"
    with zipfile.ZipFile(twice, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        for name, content in (*held.items(), ("config.json", config)):
            archive.writestr(name, content)
    yield twice, "has two entries called 'config.json'"
    bomb_path = folder / "bomb.keras"
    with zipfile.ZipFile(bomb_path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in held.items():
            archive.writestr(name, content)
        archive.writestr("assets/zeros", bytes(2**28))
    yield bomb_path, "at most 268,435,456 B are read"
    content = bomb_path.read_bytes()
    lying = content.replace(struct.pack("<I", 2**28), struct.pack("<I", 100))
    (folder / "lying.keras").write_bytes(lying)
    yield folder / "lying.keras", "entry 'assets/zeros' is damaged"


def test_archives_of_other_contents_are_refused(tmp_path: Path) -> None:
    for path, expected in archives(tmp_path):
        assert expected in refused(path), path


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_truncated_files_are_refused(suffix: str, tmp_path: Path) -> None:
    path = saved(model(), tmp_path / f"net{suffix}")
    content = path.read_bytes()
    for k in range(60):
        path.write_bytes(content[: len(content) * k // 60])
        refused(path)
    path.write_bytes(b"not a network of any kind")
    assert "is neither a .keras archive nor HDF5" in refused(path)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_damaged_files_are_read_or_refused(suffix: str, tmp_path: Path) -> None:
    path = h5(tmp_path / "net.h5") if suffix == ".h5" else saved(model(), tmp_path / "net.keras")
    content, rng = path.read_bytes(), random.Random(0)
    n_refused = 0
    for _ in range(150):
        copy, at = bytearray(content), rng.randrange(len(content))
        copy[at : at + 4] = rng.randbytes(4)
        path.write_bytes(copy)
        try:
            read(path)
        except ModelError as error:
            assert str(error).startswith(path.name) and "\n" not in str(error)
            n_refused += 1
    assert n_refused > 15


def test_all_of_it_takes_little_time_and_memory_and_exits_with_two(tmp_path: Path) -> None:
    paths = [path for path, _ in archives(tmp_path)]
    for k, (change, _) in enumerate(IN_H5.values()):
        paths.append(h5(tmp_path / f"{k}.h5"))
        with h5py.File(paths[-1], "r+") as file:
            change(file)
    paths += [lying(tmp_path / f"{where}.h5", where) for where in ("heap", "text")]
    code = (
        "import sys, time\n"
        "from edgelstm.tools.cli import main\n"
        "for path in sys.argv[1:]:\n"
        "    sys.argv = ['edgelstm', 'profile', path, '--quiet']\n"
        "    try: main()\n"
        "    except SystemExit as end: print(end.code, path)\n"
        "assert not {'keras', 'tensorflow', 'torch'} & set(sys.modules)\n"
        "print(time.process_time())\n"
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])\n"
    )
    words = [sys.executable, "-c", code, *map(str, paths)]
    got = subprocess.run(words, capture_output=True, text=True, env={**os.environ})
    assert got.returncode == 0, got.stderr[-500:]
    *lines, seconds, peak_kib = got.stdout.splitlines()
    assert lines == [f"2 {path}" for path in paths]
    errors = got.stderr.splitlines()
    assert len(errors) == len(paths) and all(line.startswith("error: ") for line in errors)
    # Of all together, on the processor: a loaded machine is no fault of a file.
    assert float(seconds) < 20 and int(peak_kib) * 1024 < 10**9


def test_a_good_file_is_read_without_keras_and_torch(tmp_path: Path) -> None:
    path = saved(model(), tmp_path / "net.keras")
    code = (
        "import sys\n"
        "for name in ('torch', 'keras', 'tensorflow'): sys.modules[name] = None\n"
        "from edgelstm import read\n"
        "print(read(sys.argv[1]))\n"
    )
    words = [sys.executable, "-c", code, str(path)]
    got = subprocess.run(words, capture_output=True, text=True)
    assert "lstm1: lstm 4 -> 4" in got.stdout, got.stderr
