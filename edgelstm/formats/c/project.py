"""What stands around the sources of a folder: the templates of kernels/c/folder, filled in."""

import importlib.resources
import re
from collections.abc import Iterator, Mapping
from importlib.resources.abc import Traversable

from edgelstm.devices.cores import CORES
from edgelstm.errors import ModelError
from edgelstm.formats.c.build import INDICES, AnyNetwork, Built
from edgelstm.formats.c.calls import C_TYPES
from edgelstm.formats.c.source import header_fields, source_fields

KERNELS = importlib.resources.files("edgelstm.kernels") / "c"
ALWAYS = ("edgelstm_kernels.h",)
STEP_BY_STEP = "examples/"  # of networks of which one step can be computed alone
INCLUDED = re.compile(rb'#include "(edgelstm_\w+\.(?:h|inc))"')


def kernel_files(names: tuple[str, ...]) -> dict[str, bytes]:
    """The kernels and what they include, by name."""
    found: dict[str, bytes] = {}
    wanted = [*ALWAYS, *names]
    while wanted:
        name = wanted.pop()
        if name not in found:
            found[name] = (KERNELS / name).read_bytes()
            wanted += [match.decode() for match in INCLUDED.findall(found[name])]
    return dict(sorted(found.items()))


def project_files(
    built: Built, network: AnyNetwork, target: str | None, version: str
) -> dict[str, bytes]:
    """Path to content of all that is filled in."""
    fields = _fields(built, network, target, version)
    return {
        _filled(path, fields): _filled(file.read_text("utf-8"), fields).encode()
        for path, file in _templates(KERNELS / "folder")
        if built.streams or not path.startswith(STEP_BY_STEP)
    }


def _templates(folder: Traversable, before: str = "") -> Iterator[tuple[str, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        path = before + entry.name
        if entry.is_dir():
            yield from _templates(entry, f"{path}/")
        else:
            yield path, entry


def _filled(text: str, fields: Mapping[str, str]) -> str:
    return re.sub(r"@([A-Z]+)@", lambda match: fields[match[1]], text)


def _fields(built: Built, network: AnyNetwork, target: str | None, version: str) -> dict[str, str]:
    layers = [part.about[0] for part in built.parts if part.about]
    integers = network.input is not None
    return {
        "NAME": built.name,
        "UPPER": built.name.upper(),
        **header_fields(built, network),
        **source_fields(built, network),
        "VERSION": version,
        "SUMMARY": f"A recurrent network in {network.precision}: {'; '.join(layers)}.",
        "LAYERS": "; ".join(layers),
        "INPUTS": str(built.input_size),
        "OUTPUTS": str(built.output_size),
        "SCALES": _scales(built) if integers else "",
        "STATE": str(built.state_bytes),
        "CONSTANTS": f"{sum(c.n_bytes for c in built.constants.found.values()):,}",
        "TARGET": target or "any core, in plain C",
        "COMPILE": _compile_line(target),
        "EXACT": EXACT[integers],
        "RESULT": _result(built, network),
        "CALLED": _called(built),
        "TESTED": _tested(built),
        "QUANTIZED": f", or {built.name}_quantize(values, x, {built.name.upper()}_INPUTS)"
        if integers and built.input_type != INDICES
        else "",
    }


EXACT = {
    True: "Every value is the reference's, bit for bit, on every core and with every compiler.",
    False: "Within 1e-5 of the larger of 1 and the largest output; sums are in another order.",
}


def _scales(built: Built) -> str:
    upper = built.name.upper()
    if built.input_type == INDICES:
        return f"; x are indices; `{built.name}_dequantize` converts y, with `{upper}_OUTPUT_SCALE`"
    converters = f"`{built.name}_quantize` and `{built.name}_dequantize`"
    return f"; {converters} convert, with `{upper}_INPUT_SCALE` and its kin"


def _called(built: Built) -> str:
    """How an application calls it, for the README."""
    name, upper = built.name, built.name.upper()
    into, out = C_TYPES[built.input_type], C_TYPES[built.output_type]
    if built.streams:
        return f"""{into} x[{upper}_INPUTS];
{out} y[{upper}_OUTPUTS];
{name}_init(&state);                              /* again at the start of each sequence */
for (;;) {{ read_sensor(x); {name}_step(&state, x, y); }}
"""
    steps = str(built.steps or 100)
    results = "" if built.last_step else f"{built.result_steps or steps}]["
    return f"""static {into} x[{steps}][{upper}_INPUTS];
{out} y[{results}{upper}_OUTPUTS];
for (;;) {{ read_sequence(x); {name}_run(&state, x[0], {steps}, &y[0]{"[0]" * bool(results)}); }}
"""


def _tested(built: Built) -> str:
    """What test/main_test.c calls: each step, or the sequence where no step is alone."""
    name, upper = built.name, built.name.upper()
    if not built.streams:
        return f"    {name}_run(&state, test_x, TEST_STEPS, y);\n"
    step = f"{name}_step(&state, test_x + t * {upper}_INPUTS, y + t * {upper}_OUTPUTS);"
    return f"    for (int t = 0; t < TEST_STEPS; t++) {{\n        {step}\n    }}\n"


def _result(built: Built, network: AnyNetwork) -> str:
    name = built.name
    told = f"`{name}_run` computes several steps, with one result for each."
    if not built.streams:
        reasons = (getattr(layer, "needs_all_steps", None) for layer in network.layers)
        told = (
            f"`{name}_run` computes whole sequences, each from the beginning. There is no "
            f"`{name}_step`: {next(filter(None, reasons))}."
        )
    elif built.last_step:
        told = (
            f"`{name}_step` gives the result that a sequence has which ends there; `{name}_run` "
            "computes several steps and gives that of the last one."
        )
    if getattr(network, "dropped_softmax", False):
        told += " y are logits: the softmax is left off, the largest class is the same."
    return told


def _compile_line(target: str | None) -> str:
    flags = CORES[target].gcc if target else ""
    compiler = "riscv-none-elf-gcc" if target == "rv32imc" else "arm-none-eabi-gcc"
    if target and CORES[target].family == "aarch64":
        compiler = "aarch64-linux-gnu-gcc"
    if not flags:
        return "cc -std=c99 -O2 -Isrc -c src/*.c"
    return f"{compiler} {flags} -std=c99 -O2 -Isrc -c src/*.c"


def check_target(target: str | None) -> None:
    """`ModelError` unless it is a core, or None."""
    if target is not None and target not in CORES:
        raise ModelError(f"target '{target}' is no core; known: {', '.join(CORES)}")
