"""Wrong calls told in one line, as every other error: expected what; got what; what to do next."""

from __future__ import annotations

import argparse
import re
from typing import Any, NoReturn

from fastprune.errors import OptionError, meant

NUMBERS = {"float": "a number", "int": "a whole number"}
"""What Python's types are called in a message."""


class OneLineParser(argparse.ArgumentParser):
    """A parser whose wrong calls raise OptionError instead of printing the usage and leaving."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse has found, in our words.

        Raises
        ------
        OptionError
            Always.
        """
        raise OptionError(f"{_in_our_words(message)}; see {self.prog} --help")

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse a call; what is left over is named with what may have been meant.

        Raises
        ------
        OptionError
            When the call is wrong.
        """
        parsed, rest = self.parse_known_args(args, namespace)
        if rest:
            command = self._command(getattr(parsed, "command", None))
            known = [name for name in command._option_string_actions if name.startswith("--")]
            wrong = next((word for word in rest if word.startswith("-")), rest[0])
            kind = "options" if wrong.startswith("-") else "arguments"
            hint = meant(wrong.split("=")[0], known) if wrong.startswith("-") else ""
            command.error(f"expected {kind} of {command.prog}; got {wrong}{hint}")
        return parsed

    def _command(self, name: str | None) -> OneLineParser:
        """Return the parser of a command; this one without a name."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction) and name in action.choices:
                found: OneLineParser = action.choices[name]
                return found
        return self

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse a value that is none of the choices; argparse calls this."""
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            what = action.option_strings[-1] if action.option_strings else action.metavar
            message = f"expected {what} to be one of {', '.join(known)}; got {value!r}"
            raise argparse.ArgumentError(None, message + meant(str(value), known))


def _in_our_words(message: str) -> str:
    """Turn a message of argparse into one of ours.

    Examples
    --------
    >>> _in_our_words("argument --scale: invalid float value: 'x'")
    "expected a number with --scale; got 'x'"
    >>> _in_our_words("argument --scale: expected one argument")
    'expected a value with --scale; got none'
    >>> _in_our_words("the following arguments are required: RESULTS")
    'expected RESULTS; got none'
    """
    found = re.fullmatch(r"argument ([^\s:]+): (.*)", message, re.DOTALL)
    where, said = (found[1].split("/")[-1], found[2]) if found else ("", message)
    if value := re.fullmatch(r"invalid (\w+) value: (.*)", said, re.DOTALL):
        return f"expected {NUMBERS.get(value[1], value[1])} with {where}; got {value[2]}"
    if re.fullmatch(r"expected (one|at least one|\d+) arguments?", said):
        return f"expected a value with {where}; got none"
    if other := re.fullmatch(r"not allowed with argument (.*)", said):
        return f"expected {where} or {other[1]}; got both"
    if value := re.fullmatch(r"ignored explicit argument (.*)", said):
        return f"expected no value with {where}; got {value[1]}"
    if names := re.fullmatch(r"the following arguments are required: (.*)", said):
        return f"expected {names[1]}; got none"
    if names := re.fullmatch(r"ambiguous option: (\S+) could match (.*)", said):
        return f"expected one option; got {names[1]}, which could be {names[2]}"
    return f"{said} ({where})" if where else said
