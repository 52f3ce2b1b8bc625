"""The command-line page, written from the parser: ``python -m docs.cli_page``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from fastprune.cli.parser import make_parser

PAGE = Path(__file__).with_name("cli.md")
"""Where the page stands."""

MEND = "python -m docs.cli_page"
"""The command that writes the page again."""


ABOUT = """\
Every command prints its result on stdout, progress and warnings on stderr. The
[exit code](formats.md#exit-codes) is 0 when all went well. `fastprune COMMAND --help` shows what
this page shows, `fastprune --version` the version."""
"""What holds for all commands."""


def page() -> str:
    """Return the page as Markdown: every command, argument and option of the parser."""
    parser = make_parser()
    commands = dict(_commands(parser, "fastprune"))
    lines = [
        "# Command line",
        "",
        f"<!-- Written by `{MEND}` from fastprune/cli/parser.py; change it there. -->",
        "",
        _words(parser.description),
        "",
        "| command | what it does |",
        "|---|---|",
        *(
            f"| [`{name}`](#{name.replace(' ', '-')}) | {_words(summary)} |"
            for name, (summary, _) in commands.items()
        ),
        "",
        ABOUT,
    ]
    for name, (_, command) in commands.items():
        lines += ["", f"## {name}", "", _words(command.description), ""]
        lines += ["```text", _usage(name, command), "```"]
        lines += [line for group in command._action_groups for line in _table(group)]
        if command.epilog:
            lines += ["", _words(command.epilog)]
    return "\n".join(lines) + "\n"


def write(path: Path = PAGE) -> None:
    """Write the page."""
    path.write_text(page(), encoding="utf-8")


def _commands(
    parser: argparse.ArgumentParser, name: str
) -> Iterator[tuple[str, tuple[str, argparse.ArgumentParser]]]:
    """Yield name, line of --help and parser of each command, in the order of --help."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            summaries = {line.dest: line.help or "" for line in action._get_subactions()}
            for word, command in action.choices.items():
                yield f"{name} {word}", (summaries.get(word, ""), command)
                yield from _commands(command, f"{name} {word}")


def _usage(name: str, command: argparse.ArgumentParser) -> str:
    """Return the call in one line; argparse wraps it differently from Python to Python."""
    words = [name]
    actions = _shown(command._actions)
    if any(action.option_strings for action in actions):
        words.append("[OPTIONS]")
    for action in actions:
        if not action.option_strings:
            words.append(_call(action))
        elif action.required:
            words.append(f"{action.option_strings[-1]} {_call(action)}".strip())
    return " ".join(words)


def _table(group: argparse._ArgumentGroup) -> Iterator[str]:
    """Yield the lines of a group's table; none where it has nothing to show."""
    actions = _shown(group._group_actions)
    if not actions:
        return
    titles = {"positional arguments": "arguments"}
    title = titles.get(group.title or "", group.title or "")
    yield from ("", f"**{title[:1].upper()}{title[1:]}**", "")
    if group.description:
        yield from (_words(group.description), "")
    kind = "argument" if group.title == "positional arguments" else "option"
    yield from (f"| {kind} | meaning |", "|---|---|")
    for action in actions:
        names = [f"{name} {_call(action)}".strip() for name in action.option_strings]
        shown = ", ".join(f"`{name}`" for name in names or [_call(action)])
        yield f"| {shown.replace('|', '&#124;')} | {_words(_expanded(action))} |"


def _shown(actions: list[argparse.Action]) -> list[argparse.Action]:
    """Leave out --help and what the parser hides."""
    return [
        action
        for action in actions
        if action.help != argparse.SUPPRESS and not isinstance(action, argparse._HelpAction)
    ]


def _call(action: argparse.Action) -> str:
    """Return how an action's values are written: FILE, {a,b}, [B_PRIME], IMAGE..."""
    if action.nargs == 0:
        return ""
    choices = "{" + ",".join(map(str, action.choices)) + "}" if action.choices else ""
    name = action.metavar if isinstance(action.metavar, str) else choices or action.dest
    shapes = {"?": f"[{name}]", "*": f"[{name}...]", "+": f"{name}..."}
    if isinstance(action.nargs, int):
        parts = action.metavar if isinstance(action.metavar, tuple) else (name,) * action.nargs
        return " ".join(parts)
    return shapes.get(action.nargs or "", name)


def _expanded(action: argparse.Action) -> str:
    """Return an action's help with its %(default)s and the like filled in."""
    fields = {**vars(action), "prog": "fastprune"}
    fields["choices"] = ", ".join(map(str, action.choices or ()))
    return (action.help or "") % fields


def _words(text: str | None) -> str:
    """Return text as one line of Markdown that shows every letter as it is."""
    line = " ".join((text or "").split())
    for letter in "\\`*_<>|[]":
        line = line.replace(letter, f"&#{ord(letter)};")
    return line


if __name__ == "__main__":
    write()
