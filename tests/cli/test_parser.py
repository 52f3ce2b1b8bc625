"""Wrong calls, help and version: told at once, without TensorFlow."""

from __future__ import annotations

import argparse
import subprocess
import sys

import pytest

import fastprune
from fastprune.cli.main import main
from fastprune.cli.parser import make_parser
from tests.helpers.commands import COMMANDS


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["nothing"], ["sweep", "--order"], ["sweep", "--clean", "file.h5"],
        ["sweep", "--clean", "=x"], ["sweep", "--drops", "a"], ["sweep", "--drops", ""],
        ["sweep", "--format", "xml"], ["sweep", "--engine", "magic"], ["sweep", "--scale", "x"],
        ["sweep", "--verify", "1.5"], ["evaluate"], ["evaluate", "a", "b"], ["plot"], ["demo", "x"],
        ["--unknown"],
    ],
)  # fmt: skip
def test_wrong_calls_exit_2_with_one_line(arguments, capsys):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("fastprune: error: expected ")
    assert err.count("\n") == 1
    assert err.endswith(" --help\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["swep"], "got 'swep'; did you mean sweep?; see fastprune --help"),
        (["SWEEP"], "did you mean sweep?"),
        (["nothing"], "completion; got 'nothing'; see"),
        (["sweep", "--ordr", "l1"], "options of fastprune sweep; got --ordr; did you mean --order"),
        (["sweep", "--ordr=l1"], "got --ordr=l1; did you mean --order"),
        (["report", "x", "--quite"], "options of fastprune report; got --quite; see"),
        (["demo", "x"], "arguments of fastprune demo; got x; see fastprune demo --help"),
        (["--verison"], "expected COMMAND; got none"),
        (["sweep", "--engine", "increment"], "got 'increment'; did you mean incremental?"),
        (["report", "r", "--drop", "x"], "expected a number with --drop; got 'x'"),
        (["sweep", "--verify", "1.5"], "expected a whole number with --verify; got '1.5'"),
        (["sweep", "--order"], "expected a value with --order; got none"),
        (["sweep", "--dr", "2"], "got --dr, which could be --drops, --drop-kind"),
        (["sweep", "--quiet=1"], "expected no value with --quiet; got '1'"),
        (["sweep", "--quiet", "--progress"], "expected --progress or --quiet; got both"),
        (["sweep", "--clean", "x.h5"], "expected NAME=FILE; got 'x.h5' (--clean)"),
        (["plot"], "expected RESULTS; got none"),
    ],
)
def test_wrong_calls_say_what_may_have_been_meant(arguments, words, capsys):
    assert main(arguments) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], *([command] for command in COMMANDS)])
def test_help_of_every_command(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main([*arguments, "--help"])
    out, err = capsys.readouterr()
    assert (caught.value.code, err) == (0, "")
    assert out.startswith(" ".join(["usage: fastprune", *arguments]))
    assert max(map(len, out.splitlines())) <= 100


def test_every_option_has_help():
    parser = make_parser()
    commands = next(
        action for action in parser._actions if isinstance(action, argparse._SubParsersAction)
    )
    assert set(commands.choices) == set(COMMANDS)
    for command in commands.choices.values():
        for action in command._actions:
            assert action.help, (command.prog, action.dest)


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"fastprune {fastprune.__version__}\n"


HEAVY = ("tensorflow", "keras", "jax", "torch", "numba", "h5py", "matplotlib", "numpy")


@pytest.mark.parametrize("arguments", [None, ["--help"], ["sweep", "--help"], ["--version"]])
def test_nothing_heavy_is_imported_for_help(arguments):
    code = "import sys, fastprune\n"
    if arguments is not None:
        code += (
            "from fastprune.cli.main import main\n"
            f"try: main({arguments!r})\n"
            "except SystemExit as error: assert error.code == 0\n"
        )
    code += f"found = [name for name in {HEAVY!r} if name in sys.modules]\n"
    code += "sys.exit(f'imported {found}' if found else 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
