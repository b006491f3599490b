"""What changes from network to network in NAME.h and NAME.c, and all that lies in flash."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from edgelstm.formats.c.around import SHORT
from edgelstm.formats.c.build import INDICES, AnyNetwork, Built
from edgelstm.formats.c.calls import C_TYPES, Call, Part, c_number

GENERATED = "written by edgelstm; edits are lost when it is written again"


def header_fields(built: Built, network: AnyNetwork) -> dict[str, str]:
    """Of NAME.h."""
    words = max(-(-built.scratch * built.element_bytes // 4), 1)
    return {
        "TYPE": C_TYPES[built.input_type],
        "OUT": C_TYPES[built.output_type],
        "INSIDE": built.inside,
        "MACROS": _lines(_macros(built, network)),
        "CENTRED": ", less its zero point" if network.input is not None else "",
        "FIELDS": _lines(
            f"    {field.c_type} {name}[{field.size}];" for name, field in built.fields.items()
        ),
        "WORDS": str(words),
        "VALUES": str(words * 4 // built.element_bytes),
        "BEGINS": "Which NAME_run begins with".replace("NAME", built.name)
        if not built.streams
        else "A new sequence begins",
        "DECLARED": _lines(_declared(built, network)),
        "ABOUTRUN": _about_run(built, network),
        "CONVERSIONS": _lines(_declared_conversions(built, network)),
    }


def source_fields(built: Built, network: AnyNetwork) -> dict[str, str]:
    """Of NAME.c."""
    return {
        "FUNCTIONS": _lines(line for part in built.parts for line in _function(built, part)),
        "ZEROS": _lines(_zeros(built)),
        "STEP": _lines(_step(built)),
        "RUN": _lines(_run(built)),
        "CONVERTERS": _lines(_converters(built, network)),
    }


def _step(built: Built) -> Iterable[str]:
    if not built.streams:
        return ()
    upper, (prototype,) = built.name.upper(), _step_prototype(built)
    calls = (_part(built, part, "    ") for part in built.parts)
    begin, end = f"    {upper}_ON_STEP_BEGIN();", f"    {upper}_ON_STEP_END();"
    return ("", prototype, "{", begin, *calls, end, "}")


def _run(built: Built) -> Iterator[str]:
    """A loop over the steps of x, and one over those of each repetition."""
    if not built.streams:
        yield f"    {built.name}_init(state);"
    if built.steps is not None:
        yield f"    if (steps != {built.name.upper()}_STEPS) {{"
        yield "        return;"
        yield "    }"
    for loop, steps in enumerate(built.loops):
        parts = [part for part in built.parts if part.loop == loop]
        is_last = loop == len(built.loops) - 1
        yield from _loop(built, parts, steps, (loop == 0, is_last and not built.last_step))


def _loop(
    built: Built, parts: Sequence[Part], steps: str, moves: tuple[bool, bool]
) -> Iterator[str]:
    """`moves`: whether x, and y, go on from step to step."""
    upper, once = built.name.upper(), [part for part in parts if part.once]
    yield f"    for (int32_t t = 0; t < {steps}; t++) {{"
    yield f"        {upper}_ON_STEP_BEGIN();"
    yield from (_part(built, part, "        ") for part in parts if not part.once)
    if once:
        yield f"        if (t == {steps} - 1) {{"
        yield from (_part(built, part, "            ") for part in once)
        yield "        }"
    yield f"        {upper}_ON_STEP_END();"
    for moved, does in zip(moves, (f"x += {upper}_INPUTS;", f"y += {upper}_OUTPUTS;"), strict=True):
        if moved:
            yield f"        {does}"
    yield "    }"


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _macros(built: Built, network: AnyNetwork) -> Iterator[str]:
    upper = built.name.upper()
    if built.steps is not None:
        yield f"#define {upper}_STEPS {built.steps}"
    if built.result_steps is not None:
        yield f"#define {upper}_RESULT_STEPS {built.result_steps}"
    into = None if built.input_type == INDICES else network.input
    for end, scale in (("INPUT", into), ("OUTPUT", network.output)):
        if scale is not None:
            macro = f"#define {upper}_{end}"
            yield f"{macro}_SCALE {c_number(np.float32(scale.scale))}"
            yield f"{macro}_ZERO_POINT ({scale.zero_point})"


def _step_prototype(built: Built) -> Sequence[str]:
    """Of one step; none where it cannot be computed alone."""
    if not built.streams:
        return ()
    into, out = C_TYPES[built.input_type], C_TYPES[built.output_type]
    return (f"void {built.name}_step({built.name}_state *state, const {into} *x, {out} *y)",)


def _declared(built: Built, network: AnyNetwork) -> Iterable[str]:
    upper = built.name.upper()
    told = "; computed at each call, also where a sequence has one result" * built.last_step
    about = f"/* One time step. x: [{upper}_INPUTS]{_about_x(built)}; y: [{upper}_OUTPUTS]"
    about += f"{told}{_about_y(network)} */"
    return [line for text in _step_prototype(built) for line in ("", about, f"{text};")]


def _about_x(built: Built) -> str:
    is_indices = built.input_type == INDICES
    return ", an index; one outside the table is that of the first or last row" * is_indices


def _about_y(network: AnyNetwork) -> str:
    told = "; logits: the softmax is left off, the arg max is the same"
    return told * bool(getattr(network, "dropped_softmax", False))


def _about_run(built: Built, network: AnyNetwork) -> str:
    """What x and y of a sequence are."""
    upper = built.name.upper()
    rows = "" if built.last_step else "steps]["
    if built.result_steps is not None:
        rows = f"{upper}_RESULT_STEPS]["
    told = f"x: [steps][{upper}_INPUTS]{_about_x(built)}; y: [{rows}{upper}_OUTPUTS]"
    told += ", of the last step" * (built.last_step and built.streams)
    if built.streams:
        return told
    if built.steps is not None:
        told += f"; steps is {upper}_STEPS: for any other nothing is computed"
    return f"A whole sequence, from the beginning. {told}{_about_y(network)}"


def _conversions(built: Built, network: AnyNetwork) -> Iterator[tuple[str, str]]:
    """Prototypes of quantize and dequantize, and what each does; none of real networks."""
    upper = built.name.upper()
    if network.input is None or network.output is None:
        return
    into, out = network.input.type, network.output.type
    ends = [f"{upper}_{end}_SCALE, {upper}_{end}_ZERO_POINT" for end in ("INPUT", "OUTPUT")]
    if built.input_type != INDICES:
        yield (
            f"int32_t {built.name}_quantize(const float *v, {C_TYPES[into]} *x, int32_t n)",
            _normalized(built, into, ends[0])
            if network.input_mean is not None
            else f"    return edgelstm_quantize_{SHORT[into]}(v, n, {ends[0]}, x);",
        )
    yield (
        f"void {built.name}_dequantize(const {C_TYPES[out]} *y, float *v, int32_t n)",
        f"    edgelstm_dequantize_{SHORT[out]}(y, n, {ends[1]}, v);",
    )


def _normalized(built: Built, into: str, ends: str) -> str:
    """Values of whole steps, each feature with a mean and a deviation of its own."""
    name, kind = built.name, SHORT[into]
    return f"""    int32_t strange = 0;
    for (int32_t k = 0; k < n; k++) {{
        const int32_t feature = k % {name.upper()}_INPUTS;
        const float normalized = (v[k] - {name}_input_mean[feature]) / {name}_input_std[feature];
        strange += edgelstm_quantize_{kind}(&normalized, 1, {ends}, x + k);
    }}
    return strange;"""


def _declared_conversions(built: Built, network: AnyNetwork) -> Iterator[str]:
    if network.input is not None and network.input_mean is not None:
        yield ""
        yield "/* v: real values, of whole steps, n of them; they are normalized first. */"
    yield from (f"{prototype};" for prototype, _ in _conversions(built, network))


def _converters(built: Built, network: AnyNetwork) -> Iterable[str]:
    return ["\n".join(("", p, "{", b, "}")) for p, b in _conversions(built, network)]


def _function(built: Built, part: Part) -> Sequence[str]:
    """A layer's own function; the ends stand in the step itself."""
    if not part.about:
        return ()
    first, *others = part.about
    about = "\n".join([f"/* {first}", *(f" * {line}" for line in others)]) + " */"
    reads_x = f", const {C_TYPES[built.input_type]} *x" if part.takes_x else ""
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
        texts = (call_text(built, call) for call in part.calls)
        return "\n".join(indent + line for text in texts for line in text.split("\n"))
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


def _zeros(built: Built) -> Iterator[str]:
    starts = {name: field for name, field in built.fields.items() if field.start is not None}
    if not starts:
        yield "    (void)state;"
    for name, field in starts.items():
        yield f"    for (int32_t k = 0; k < {field.size}; k++) {{"
        yield f"        state->{name}[k] = {field.start};"
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
