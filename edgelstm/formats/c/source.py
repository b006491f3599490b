"""What changes from network to network in NAME.h and NAME.c, and all that lies in flash."""

from collections.abc import Iterable, Sequence

import numpy as np

from edgelstm.formats.c.build import INSIDE, SHORT, AnyNetwork, Built
from edgelstm.formats.c.calls import C_TYPES, Call, Part, c_number

GENERATED = "written by edgelstm; edits are lost when it is written again"


def header_fields(built: Built, network: AnyNetwork) -> dict[str, str]:
    """Of NAME.h."""
    inside = "float" if INSIDE[built.ends] == "f32" else "int16_t"
    words = max(-(-built.scratch * built.element_bytes // 4), 1)
    return {
        "TYPE": C_TYPES[built.ends],
        "OUT": "float" if network.output is None else C_TYPES[network.output.type],
        "INSIDE": inside,
        "MACROS": _lines(_scales(built, network)),
        "CENTRED": ", less its zero point" if network.input is not None else "",
        "FIELDS": _lines(f"    {inside} {field}[{n}];" for field, n in built.fields.items()),
        "WORDS": str(words),
        "VALUES": str(words * 4 // built.element_bytes),
        "ABOUTY": _about_y(built, network),
        "ABOUTRUN": f"[{'' if built.last_step else 'steps]['}{built.name.upper()}_OUTPUTS]"
        + ", of the last step" * built.last_step,
        "CONVERSIONS": _lines(f"{text};" for text in _conversions(built, network)),
    }


def source_fields(built: Built, network: AnyNetwork) -> dict[str, str]:
    """Of NAME.c."""
    once = [part for part in built.parts if part.once]
    each = [part for part in built.parts if not part.once]
    upper = built.name.upper()
    run = [_part(built, part, "        ") for part in each]
    if once:
        run += ["        if (t == steps - 1) {"]
        run += [*(_part(built, part, "            ") for part in once), "        }"]
    return {
        "FUNCTIONS": _lines(line for part in built.parts for line in _function(built, part)),
        "ZEROS": _lines(_zeros(built)),
        "STEP": _lines(_part(built, part, "    ") for part in built.parts),
        "RUN": _lines(run),
        "NEXT": "" if built.last_step else f"        y += {upper}_OUTPUTS;\n",
        "CONVERTERS": _lines(_converters(built, network)),
    }


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _scales(built: Built, network: AnyNetwork) -> Iterable[str]:
    for end, scale in (("INPUT", network.input), ("OUTPUT", network.output)):
        if scale is not None:
            macro = f"#define {built.name.upper()}_{end}"
            yield f"{macro}_SCALE {c_number(np.float32(scale.scale))}"
            yield f"{macro}_ZERO_POINT ({scale.zero_point})"


def _about_y(built: Built, network: AnyNetwork) -> str:
    told = "; computed at each call, also where a sequence has one result" * built.last_step
    if getattr(network, "dropped_softmax", False):
        told += "; logits: the softmax is left off, the arg max is the same"
    return told


def _conversions(built: Built, network: AnyNetwork) -> Sequence[str]:
    """Prototypes of quantize and dequantize; none of real networks."""
    if network.input is None or network.output is None:
        return ()
    into, out = (C_TYPES[scale.type] for scale in (network.input, network.output))
    return (
        f"int32_t {built.name}_quantize(const float *v, {into} *x, int32_t n)",
        f"void {built.name}_dequantize(const {out} *y, float *v, int32_t n)",
    )


def _converters(built: Built, network: AnyNetwork) -> Iterable[str]:
    if network.input is None or network.output is None:
        return ()
    upper, prototypes = built.name.upper(), _conversions(built, network)
    into, out = (SHORT[scale.type] for scale in (network.input, network.output))
    ends = [f"n, {upper}_{end}_SCALE, {upper}_{end}_ZERO_POINT" for end in ("INPUT", "OUTPUT")]
    bodies = (
        f"    return edgelstm_quantize_{into}(v, {ends[0]}, x);",
        f"    edgelstm_dequantize_{out}(y, {ends[1]}, v);",
    )
    return ["\n".join(("", p, "{", b, "}")) for p, b in zip(prototypes, bodies, strict=True)]


def _function(built: Built, part: Part) -> Sequence[str]:
    """A layer's own function; the ends stand in the step itself."""
    if not part.about:
        return ()
    first, *others = part.about
    about = "\n".join([f"/* {first}", *(f" * {line}" for line in others)]) + " */"
    reads_x = f", const {C_TYPES[built.ends]} *x" if part.takes_x else ""
    return (
        "",
        *part.before,
        about,
        f"static void {part.name}({built.name}_state *state{reads_x})",
        "{",
        *(f"    {call_text(built, call)}" for call in part.calls),
        "}",
    )


def _part(built: Built, part: Part, indent: str) -> str:
    if not part.about:
        return "\n".join(indent + call_text(built, call) for call in part.calls)
    return f"{indent}{part.name}(state{', x' if part.takes_x else ''});"


def call_text(built: Built, call: Call) -> str:
    """A call with every value's place in it."""
    text = call.text
    for value in {*call.reads, *call.results}:
        place = built.places.get(value, "")
        text = text.replace(f"{{{value}}}", place).replace(f"{{words {value}}}", _as_words(place))
        begins = f"{{{value} @ "
        while begins in text:
            before, _, behind = text.partition(begins)
            index, _, behind = behind.partition("}")
            text = before + _element(place, index) + behind
    return text


def _as_words(place: str) -> str:
    """Of 16-bit scratch memory, which begins at words."""
    base, _, offset = place.replace(".values", ".words").partition(" + ")
    return f"{base} + {int(offset) // 2}" if offset else base


def _element(place: str, index: str) -> str:
    base, _, offset = place.partition(" + ")
    return f"{base}[{offset} + {index}]" if offset else f"{base}[{index}]"


def _zeros(built: Built) -> Iterable[str]:
    zero = "0.0F" if INSIDE[built.ends] == "f32" else "0"
    if not built.fields:
        yield "    (void)state;"
    for field, n in built.fields.items():
        yield f"    for (int32_t k = 0; k < {n}; k++) {{"
        yield f"        state->{field}[k] = {zero};"
        yield "    }"


def constants_header(built: Built) -> str:
    """NAME_weights.h: declarations of all that lies in flash."""
    guard = f"{built.name.upper()}_WEIGHTS_H"
    declared = (f"extern {c.declaration};" for c in built.constants.found.values())
    lines = [f"/* {GENERATED} */", f"#ifndef {guard}", f"#define {guard}", ""]
    return _lines([*lines, '#include "edgelstm_kernels.h"', "", *declared, "", "#endif"])


def constants_source(built: Built, *, tables: bool) -> str:
    """NAME_weights.c or NAME_tables.c."""
    chosen = [c for c in built.constants.found.values() if c.is_table == tables]
    lines = [f"/* {GENERATED} */", f'#include "{built.name}_weights.h"']
    for constant in chosen:
        lines += ["", f"{constant.declaration} = {constant.text};"]
    return _lines(lines)
