"""The words of a command line: what is given twice, or is empty."""

from typing import Any

from typer.core import TyperCommand

from edgelstm.errors import ModelError


class Command(TyperCommand):
    """A command that takes an option twice only if it keeps both values."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Of options given twice the parser itself would keep the last one, silently."""
        _, _, given = self.make_parser(ctx).parse_args(args=list(args))
        for option in given:
            single = not (option.multiple or getattr(option, "is_flag", False))
            if option.param_type_name == "option" and single and given.count(option) > 1:
                raise ModelError(f"{option.opts[-1]} is given twice; it takes one value: give one")
        return super().parse_args(ctx, args)


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
