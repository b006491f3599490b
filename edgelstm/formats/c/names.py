"""Names of C: what a network and its layers are called there."""

import re
from collections.abc import Iterable

# Of C99 and C++, what the standard headers of both take for themselves, and functions of C's
# library that compilers know by name: a layer may be called tanh.
KEYWORDS = """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char class compl const
    constexpr const_cast continue decltype default delete do double dynamic_cast else enum explicit
    export extern false float for friend goto if inline int long mutable namespace new noexcept not
    not_eq nullptr operator or or_eq private protected public register reinterpret_cast restrict
    return short signed sizeof static static_assert static_cast struct switch template this
    thread_local throw true try typedef typeid typename union unsigned using virtual void volatile
    wchar_t while xor xor_eq main edgelstm
    abort abs acos asin atan calloc ceil conj cos cosh erf exit exp expm1 fabs floor fma fmax fmin
    free gamma hypot index j0 j1 jn labs log log1p logb malloc memcpy memset pow printf puts realloc
    remainder rint round scalbn sin sinh sqrt strlen tan tanh trunc y0 y1 yn
"""
ENDS = "_c"  # of a folder's name


def c_name(text: str) -> str:
    """A name of C from any text.

    >>> c_name("speech"), c_name("my model-2"), c_name("3d"), c_name("switch")
    ('speech', 'my_model_2', 'n3d', 'n_switch')
    """
    name = re.sub(r"_+", "_", re.sub(r"[^A-Za-z0-9_]", "_", text)).strip("_")
    if not name or name[0].isdigit():
        name = f"n{name}"
    return f"n_{name}" if f" {name.lower()} " in " ".join(["", *KEYWORDS.split(), ""]) else name


def network_name(folder: str, precision: str) -> str:
    """What the network in a folder is called: the folder's name without its endings.

    >>> network_name("speech_c", "int8"), network_name("speech_int8_c", "int8")
    ('speech', 'speech')
    """
    return c_name(folder.removesuffix(ENDS).removesuffix(f"_{precision}"))


def distinct(names: Iterable[str]) -> dict[str, str]:
    """Each name with a name of C that no other has."""
    found: dict[str, str] = {}
    for name in names:
        made = wanted = c_name(name)
        k = 2
        while made in found.values():
            made, k = f"{wanted}_{k}", k + 1
        found[name] = made
    return found
