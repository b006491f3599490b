"""Ways to break a file: of any bytes, and of those inside of archives, texts and messages."""

import io
import json
import random
import zipfile
from collections.abc import Callable
from typing import Any

Mutate = Callable[[bytes, random.Random], bytes]

ODD_NUMBERS = (0, 1, 2, 3, 7, 127, 128, 255, 256, 2**15, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 10**6)
ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 127, -128, 128, 10**6, 2**31, 2**63, 10**30, 0.5, 1.5, -0.0),
    *(1e-45, 1e-30, 1e30, 1e300, float("nan"), float("inf"), "", "abc", "1", "1e5", "[/x]", "=1"),
    *("\x1b[31m", "\ud800", "lstm", "int8", [], {}, [1], [[0.5, 0, "int8"]], {"a": 1}),
)
ODD_WORDS = (
    *("", "nan", "inf", "-1", "0", "1e999", "9" * 40, "0x10", "1_0", "true", "''", '"', "[", "{"),
    *("}", "]", "=", ".", "a.b.c", "\n", "\r", "\0", "\ufeff", "é", "\x1b[0m", ",", ",,", "#", "1"),
)


def some_bytes(content: bytes, rng: random.Random) -> bytes:
    """Bits flipped, pieces overwritten, taken out, put in, repeated; the end cut off."""
    copy, size = bytearray(content or b"\0"), rng.randrange(1, 30)
    at, source = rng.randrange(len(copy)), rng.randrange(len(copy))
    kind = rng.randrange(6)
    if kind == 0:
        copy[at] ^= 1 << rng.randrange(8)
    elif kind == 1:
        copy[at : at + size] = rng.randbytes(size)
    elif kind == 2:
        del copy[at : at + size]
    elif kind == 3:
        copy[at:at] = rng.randbytes(size)
    elif kind == 4:
        copy[at : at + size] = copy[source : source + size]
    else:
        del copy[rng.randrange(len(copy)) :]
    return bytes(copy)


def aligned(content: bytes, rng: random.Random) -> bytes:
    """One to three whole numbers where flatbuffers have theirs, or some bytes."""
    if rng.random() < 0.3:
        return some_bytes(content, rng)
    copy = bytearray(content)
    for _ in range(rng.randrange(1, 4)):
        size = rng.choice((1, 2, 4, 8))
        at = rng.randrange(max(1, len(copy) // size)) * size
        near = int.from_bytes(copy[at : at + size], "little") + rng.choice((-4, -1, 1, 4))
        number = rng.choice((*ODD_NUMBERS, near))
        copy[at : at + size] = (number % 256**size).to_bytes(size, "little")
    return bytes(copy)


def text(content: bytes, rng: random.Random) -> bytes:
    """Words replaced, put in and repeated, lines moved, or some bytes."""
    if rng.random() < 0.2:
        return some_bytes(content, rng)
    lines = content.decode("utf-8", "replace").split("\n")
    for _ in range(rng.randrange(1, 4)):
        k = rng.randrange(len(lines))
        words, kind = lines[k].split(" "), rng.randrange(5)
        w = rng.randrange(len(words))
        if kind == 0:
            words[w] = rng.choice(ODD_WORDS)
        elif kind == 1:
            words.insert(w, rng.choice(ODD_WORDS))
        elif kind == 2:
            words[w] *= rng.choice((2, 50))
        elif kind == 3:
            lines.insert(k, lines[rng.randrange(len(lines))])
        else:
            del words[w]
        lines[k] = " ".join(words)
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def described(content: bytes, rng: random.Random) -> bytes:
    """A JSON text with values replaced, members taken out or called otherwise."""
    try:
        value = json.loads(content)
    except ValueError:
        return some_bytes(content, rng)
    for _ in range(rng.randrange(1, 3)):
        _change(value, rng)
    return json.dumps(value).encode()


BETWEEN = b"\n\x1e\n"  # of several files in one


def texts(content: bytes, rng: random.Random) -> bytes:
    """One of several JSON texts changed, or some of its bytes."""
    files = content.split(BETWEEN)
    k = rng.randrange(len(files))
    files[k] = (described if rng.random() < 0.7 else some_bytes)(files[k], rng)
    return BETWEEN.join(files)


def _change(value: Any, rng: random.Random) -> None:
    """One entry, at any depth."""
    places = list(_places(value))
    if not places:
        return
    holder, key = rng.choice(places)
    kind = rng.random()
    if kind < 0.1 and isinstance(holder, dict):
        holder[rng.choice(ODD_WORDS)] = holder.pop(key)
    elif kind < 0.2:
        del holder[key]
    else:
        holder[key] = rng.choice(ODD_VALUES)


def _places(value: Any) -> Any:
    members = list(value.items()) if isinstance(value, dict) else []
    members = list(enumerate(value)) if isinstance(value, list) else members
    for key, inner in members:
        yield value, key
        yield from _places(inner)


def array(content: bytes, rng: random.Random) -> bytes:
    """An `.npy` whose header says something else, or with other values."""
    if not content.startswith(b"\x93NUMPY") or rng.random() < 0.3:
        return some_bytes(content, rng)
    length = int.from_bytes(content[8:10], "little")
    header, values = content[10 : 10 + length], content[10 + length :]
    if rng.random() < 0.5:
        word = rng.choice([b"<f4", b"<f8", b"|i1", b">i4", b"False", b"(", b",", b")", b"'shape'"])
        other = rng.choice([b"|O", b"<f2", b"|i1", b"<U9", b"True", b"(9,", b"1,", b"-1)", b"0L,"])
        header = header.replace(word, other, 1)
        size = len(header) if rng.random() < 0.7 else length
        return content[:8] + size.to_bytes(2, "little") + header + values
    return content[: 10 + length] + aligned(values, rng)


def archive(content: bytes, rng: random.Random) -> bytes:
    """A zip archive with one entry changed, renamed, doubled or left out; or some bytes of it."""
    if rng.random() < 0.25:
        return some_bytes(content, rng)
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        entries = [(name, opened.read(name)) for name in opened.namelist()]
    k = rng.randrange(len(entries))
    name, held = entries[k]
    kind = rng.randrange(10)
    if kind < 6:
        entries[k] = (name, _inside(held, rng))
    elif kind == 6:
        entries[k] = (rng.choice((name.upper(), f"x{name}", f"../{name}", "\ud800", "")), held)
    elif kind == 7:
        entries.insert(rng.randrange(len(entries)), (name, _inside(held, rng)))
    elif kind == 8:
        entries[k] = (name, entries[rng.randrange(len(entries))][1])
    else:
        del entries[k]
    return _zipped(entries, rng.choice((zipfile.ZIP_STORED,) * 4 + (zipfile.ZIP_DEFLATED,)))


def _inside(held: bytes, rng: random.Random) -> bytes:
    if held.startswith(b"\x93NUMPY"):
        start = 10 + int.from_bytes(held[8:10], "little")
        if held[start : start + 1] == b"{":  # the description in a file of our own
            changed = described(held[start:], rng)
            size = f"({len(held) - start},)".encode(), f"({len(changed)},)".encode()
            return held[:start].replace(*size) + changed
        return array(held, rng)
    if held.startswith(b"{") and rng.random() < 0.8:
        return described(held, rng)
    return aligned(held, rng) if rng.random() < 0.5 else some_bytes(held, rng)


def _zipped(entries: list[tuple[str, bytes]], method: int) -> bytes:
    import warnings

    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two entries of one name are meant
        with zipfile.ZipFile(file, "w", method) as made:
            for name, held in entries:
                made.writestr(zipfile.ZipInfo(name.encode("utf-8", "replace").decode()), held)
    return file.getvalue()


def hdf5(content: bytes, rng: random.Random) -> bytes:
    """A file of Keras with another description, other names of weights, or some bytes."""
    import h5py

    if rng.random() < 0.5:
        return aligned(content, rng) if rng.random() < 0.5 else some_bytes(content, rng)
    file = io.BytesIO(content)
    with h5py.File(file, "r+") as opened:
        if rng.random() < 0.7:
            config = opened.attrs["model_config"].encode()
            opened.attrs["model_config"] = described(config, rng).decode("utf-8", "replace")
            return file.getvalue()
        group = opened["model_weights"][rng.choice(list(opened["model_weights"]))]
        names = [str(name) for name in group.attrs["weight_names"]] or ["x"]
        names[rng.randrange(len(names))] = rng.choice(("", "..", "x", "/", "a/b", names[-1]))
        group.attrs["weight_names"] = names
    return file.getvalue()


def headed(content: bytes, rng: random.Random) -> bytes:
    """A safetensors file with another JSON header, or some bytes."""
    if rng.random() < 0.4:
        return some_bytes(content, rng)
    length = int.from_bytes(content[:8], "little")
    header = described(content[8 : 8 + length], rng)
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def protobuf(content: bytes, rng: random.Random) -> bytes:
    """An ONNX model with fields changed, or some bytes."""
    import onnx

    if rng.random() < 0.25:
        return some_bytes(content, rng)
    model = onnx.load_model_from_string(content)
    for _ in range(rng.randrange(1, 3)):
        message, field, index = rng.choice(list(_fields(model)))
        _set(message, field, index, rng)
    made: bytes = model.SerializeToString()
    return made


def _fields(message: Any) -> Any:
    """(message, field, index) of all that is set; index None where it is not repeated."""
    for field, value in message.ListFields():
        repeated = hasattr(value, "append") or hasattr(value, "add")
        for index, item in enumerate(value) if repeated else [(None, value)]:
            yield message, field, index
            if field.message_type:
                yield from _fields(item)


def _set(message: Any, field: Any, index: int | None, rng: random.Random) -> None:
    values = getattr(message, field.name)
    if field.message_type:
        if index is None or rng.random() < 0.3:
            message.ClearField(field.name)
        elif rng.random() < 0.5:
            del values[index]
        else:
            values[index].CopyFrom(values[rng.randrange(len(values))])
        return
    old = values if index is None else values[index]
    for new in (_other(old, rng), 1, 0, "x", b"x"):
        try:
            if index is None:
                setattr(message, field.name, new)
            else:
                values[index] = new
        except (TypeError, ValueError):
            continue
        return


def _other(old: Any, rng: random.Random) -> Any:
    if isinstance(old, bytes):
        return aligned(old, rng) if rng.random() < 0.5 else some_bytes(old, rng)
    if isinstance(old, str):
        words = ("LSTM", "GRU", "Gemm", "x", "y", "Y", "W", "R", "B", "1.5", "edgelstm")
        return rng.choice((*ODD_WORDS, *words, old + "_", old[:-1], described(old.encode(), rng)))
    if isinstance(old, float):
        return rng.choice([v for v in ODD_VALUES if isinstance(v, float)])
    return rng.choice((*ODD_NUMBERS, -1, old + 1, old - 1, 2**62))


def data(content: bytes, rng: random.Random) -> bytes:
    """Calibration data of any of its formats."""
    if content.startswith(b"PK"):
        return archive(content, rng)
    return array(content, rng) if content.startswith(b"\x93NUMPY") else text(content, rng)
