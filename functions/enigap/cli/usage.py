"""Wrong arguments, each in one sentence of enigap's own: what was typed, and what is taken instead.

The parser of the command line and its validator have words of their own, for programmers. Their errors are
told apart by what they carry, because the parser does not export their classes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import Any, Final

import typer

from enigap.core.text import printable

_LONGEST_VALUE: Final = 40


def near_miss(name: str, there: Collection[str]) -> str:
    """`did you mean a or b?`, of the names that there are; empty if none is like it."""
    names = {each.casefold(): each for each in sorted(there)}
    typed = name.casefold()[:_LONGEST_NAME]
    near = [each for each in names if len(typed) > 1 and each.startswith(typed)]
    near = near or get_close_matches(typed, names, n=_MOST_NAMES)
    return f"did you mean {either([printable(names[each]) for each in near[:_MOST_NAMES]])}?" if near else ""


def either(names: Sequence[str]) -> str:
    """`a, b or c`."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


_LONGEST_NAME: Final = 200
_MOST_NAMES: Final = 3


def usage_sentence(error: typer.TyperException) -> str:
    """A usage error as one sentence that names the command with `--help`."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "enigap"
    said = _said(error, path).rstrip(".")
    if context is None:
        return f"{said}."
    return f"{said} See `{path} --help`." if said.endswith("?") else f"{said}: see `{path} --help`."


def _said(error: Any, path: str) -> str:
    message: str = error.message or ""
    parameter = getattr(error, "param", None)
    if hasattr(error, "possibilities"):
        said = f"No such option: {error.option_name[:_LONGEST_NAME]}"
        return f"{said}. Did you mean {either(error.possibilities)}?" if error.possibilities else said
    if hasattr(error, "option_name"):
        without = "does not take" in message
        return f"{error.option_name} takes {'no value: leave it out' if without else 'a value: give one'}"
    if hasattr(error, "param_type") and parameter is not None:
        return f"`{path}` needs {_name(parameter)}, {_uncapitalised(parameter.help or '')}"
    if parameter is not None:
        return f"{_name(parameter)} takes {_taken(parameter)}, not {_typed(error)}"
    if message.startswith("Got unexpected extra argument"):
        extra = message.partition("(s) (")[2].removesuffix(")")
        return f"`{path}` takes no argument {extra[:_LONGEST_VALUE]!r} here, for all else is options"
    return message


def _name(parameter: Any) -> str:
    """`--nodes`, or an argument as the usage line has it."""
    return str(parameter.opts[-1] if parameter.param_type_name == "option" else parameter.metavar)


def _taken(parameter: Any) -> str:
    """What a parameter takes."""
    kind = parameter.type_descriptor
    if kind.is_choice:
        return either([str(choice.value) for choice in kind.choices])
    least, most = kind.parameter_info.min, kind.parameter_info.max
    if least is not None and most is not None:
        return f"a whole number from {least:,} to {most:,}"
    if least is not None:
        return f"a whole number, {least:,} or more"
    if kind.annotation is int:
        return "a whole number"
    return "another value"


def _typed(error: Any) -> str:
    """What was given, as the validator quotes it."""
    errors: list[Any] = getattr(error.__cause__, "errors", list)()
    return repr(str(errors[0]["input"])[:_LONGEST_VALUE]) if errors else "that"


def _uncapitalised(text: str) -> str:
    return f"{text[:1].lower()}{text[1:]}"
