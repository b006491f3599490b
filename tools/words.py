"""The words of a command line: what is given twice, or is empty, and options by their names."""

import re
from typing import Any

from typer.core import TyperCommand

from edgelstm.errors import DeviceError, ModelError


class Command(TyperCommand):
    """A command that takes an option twice only if it keeps both values, and names it in errors."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Of options given twice the parser itself would keep the last one, silently."""
        _, _, given = self.make_parser(ctx).parse_args(args=list(args))
        for option in given:
            single = not (option.multiple or getattr(option, "is_flag", False))
            if option.param_type_name == "option" and single and given.count(option) > 1:
                raise ModelError(f"{option.opts[-1]} is given twice; it takes one value: give one")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """What Python calls `period_ms` is `--period-ms` to whoever typed it."""
        try:
            return super().invoke(ctx)
        except (ModelError, DeviceError) as error:
            raise type(error)(in_options(str(error), self.params)) from error


def in_options(message: str, params: Any) -> str:
    """A message in which parameters are called by their options.

    A name of one word may be any word, so it is a parameter only where the message begins with it.
    """
    for param in params:
        option = next((name for name in param.opts if name.startswith("--")), None)
        for name in {param.name, (option or "")[2:]} if option else ():
            alone = rf"(?<![\w'/.-]){name}(?![\w'/-]|\.\w)"  # no part of a path
            pattern = alone if "_" in name else rf"^{name}(?= is )"
            message = re.sub(pattern, str(option), message)
    return message


def check_words(words: list[str]) -> None:
    """Refuses empty words: a script's variable was not set. They do not leave an option out."""
    for before, word in zip(["", *words], words, strict=False):
        option, equals, value = word.partition("=")
        if not word.strip():
            raise ModelError(f"{_named(before)} is empty; give a value, or leave it out")
        if option.startswith("--") and equals and not value.strip():
            raise ModelError(f"{option} is empty; give a value, or leave it out")


def _named(option: str) -> str:
    return option if option.startswith("-") else "an argument"
