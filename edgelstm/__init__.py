"""The names of `edgelstm.public`, loaded when the first is asked for: a command starts at once.

`import edgelstm` alone loads nothing, its names numpy and nothing heavier.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from edgelstm.public import *  # noqa: F403
else:

    def __getattr__(name: str) -> Any:
        import importlib.util

        if name.startswith("__") or importlib.util.find_spec(f"edgelstm.{name}"):
            raise AttributeError(f"'{name}' is no public name")  # `import` finds modules
        globals()[name] = found = getattr(importlib.import_module("edgelstm.public"), name)
        return found

    def __dir__() -> list[str]:
        import importlib

        public = importlib.import_module("edgelstm.public")
        return sorted({*globals(), *vars(public)})
