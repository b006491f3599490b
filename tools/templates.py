"""The pages' templates: one frame with the style, one table, and a page per command."""

import importlib.resources
from typing import Any


def render(name: str, **values: Any) -> str:
    """The text of a page.

    Args:
        name: Of the template's file.
        values: What it places; texts are escaped.
    """
    import jinja2

    folder = importlib.resources.files("edgelstm.tools")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda file: (folder / file).read_text("utf-8")),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template(name).render(**values)
