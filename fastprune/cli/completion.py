"""``fastprune completion``: what a shell needs to complete commands, options and files."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from fastprune.cli.parser import make_parser
from fastprune.errors import OptionError


def run(arguments: argparse.Namespace) -> int:
    """Print the completion script of a shell, made from the parser as it stands."""
    text = script(arguments.shell)
    if arguments.format == "json":
        print(json.dumps({"shell": arguments.shell, "script": text}))
    else:
        print(text)
    return 0


def script(shell: str) -> str:
    """Return the completion script of a shell.

    Parameters
    ----------
    shell : {"bash", "zsh", "tcsh"}
        The shell.

    Raises
    ------
    OptionError
        When shtab, which writes the scripts, is not installed.
    """
    try:
        import shtab
    except ImportError as error:
        message = f"expected the package shtab; got {error}; install it: pip install shtab"
        raise OptionError(message) from error
    parser = make_parser()
    for action in actions(parser):
        if action.type is Path:
            folder = action.metavar in FOLDERS
            action.complete = shtab.DIRECTORY if folder else shtab.FILE  # type: ignore[attr-defined]
        elif str(action.metavar).endswith("=FILE"):
            action.complete = {"zsh": "_fastprune_named"}  # type: ignore[attr-defined]
    text: str = shtab.complete(parser, shell, preamble={"zsh": NAMED})
    # Where nothing else fits, the file after NAME=, bash and readline complete as they always do.
    return text.replace("complete -o bashdefault -F", "complete -o bashdefault -o default -F")


FOLDERS = ("DIR", "RESULTS")
"""Names that the parser gives to arguments that are folders."""


NAMED = """_fastprune_named() {
  compset -P '*='
  _files
}"""
"""How zsh completes the file of NAME=FILE."""


def actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield every argument of a parser and of its commands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from actions(command)
        else:
            yield action
