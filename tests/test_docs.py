"""Every command and every piece of Python in the README and in docs/, run as it stands.

A page is run from top to bottom in a folder of its own. ``fastprune`` runs in this process on a
small lab; other commands run in a shell. What a console block shows must come, but for its numbers.
A comment ``<!-- not run: reason -->`` leaves the block behind it out; a comment that starts with
``<!-- before (bash)`` or ``(python)`` holds what a reader has done already.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import pytest

import fastprune
from docs import cli_page
from fastprune.cli import demo, exits
from fastprune.cli.main import main
from fastprune.export import rows
from fastprune.results import comparison_record
from tests.helpers.commands import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
IMAGES = 200
REASONS = {"installs packages": 5}
"""Why a block may be left out, and how many may."""

BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^\n]+?) -->\n+)?^```(?P<kind>\w+)[^\n]*\n(?P<body>.*?)^```$"
    r"|^<!-- before \((?P<before>bash|python)\)\n(?P<done>.*?)^-->$",
    re.MULTILINE | re.DOTALL,
)

WHOLE = re.compile(r"^for .*?^done$|^[^\n]+$", re.MULTILINE | re.DOTALL)
"""A command of a bash block: a loop as a whole, else a line."""
FASTPRUNE = f'fastprune() {{ {shlex.quote(sys.executable)} -P -m fastprune "$@"; }}; '
"""What a shell runs by that name, whatever is installed."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page, or what a reader has done before it."""

    kind: str
    body: str
    line: int
    reason: str | None = None


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = []
    for match in BLOCK.finditer(text):
        kind, body = match["kind"] or match["before"], match["body"] or match["done"] or ""
        found.append(Block(kind, body, text.count("\n", 0, match.start()) + 1, match["reason"]))
    return found


def calls(block: Block) -> list[tuple[str, list[str]]]:
    """Return each command of a block with the lines that shall come of it."""
    body = re.sub(r"\s*\\\n\s*", " ", block.body)
    if block.kind == "bash":
        lines = [line.split("  #")[0].strip() for line in WHOLE.findall(body)]
        return [(line, []) for line in lines if line and not line.startswith("#")]
    found: list[tuple[str, list[str]]] = []
    for line in body.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line.strip():
            found[-1][1].append(line)
    return found


def shape(line: str) -> str:
    """Return a line without its numbers and its spaces: what holds on a lab of any size."""
    return re.sub(r"-+ *(?=\S)|(?<=\S) *-+$|\s", "", re.sub(r"[\d.,]*\d(e[+-]\d+)?", "0", line))


def check_output(expected: list[str], found: str, where: str) -> None:
    """See that the lines come in their order; … stands for anything."""
    lines = iter([shape(line) for line in found.splitlines()])
    for line in expected:
        wanted = re.compile(".*".join(map(re.escape, shape(line).split("…"))))
        if line.strip() != "…":
            came = any(wanted.fullmatch(one) for one in lines)
            assert came, f"{where}: {line!r} does not come; got\n{found}"


class Reader:
    """Somebody who types a page's commands in a folder."""

    def __init__(self, folder: Path, rendered: tuple[Path, str]) -> None:
        self.folder, self.rendered = folder, rendered
        self.names: dict[str, object] = {"__name__": "page"}

    def read(self, page: Path) -> None:
        for block in blocks(page):
            where = f"{page.relative_to(ROOT)}:{block.line}"
            if block.reason is not None or block.kind not in ("bash", "console", "python"):
                continue
            if block.kind == "python":
                exec(compile(block.body, where, "exec"), self.names)
                continue
            for command, expected in calls(block):
                check_output(expected, self.type(command, where), f"{where}: {command}")

    def type(self, command: str, where: str) -> str:
        """Run a command; return what it prints on stdout."""
        command, _, target = command.partition(" > ")
        words = shlex.split(command)
        if words == ["fastprune", "demo"]:  # always the same: drawn and swept once
            shutil.copytree(
                self.rendered[0], self.folder, copy_function=os.link, dirs_exist_ok=True
            )
            return self.rendered[1]
        if words[0] == "fastprune" and not set("|&;<$*") & set(command):
            said = run(words[1:], f"{where}: {command}")
            if target:
                (self.folder / target).write_text(said, encoding="utf-8")
            return said
        assert not target, f"{where}: only fastprune's output goes to a file"
        assert words[0] != "fastprune", f"{where}: a command that runs without a shell"
        done = subprocess.run(
            ["bash", "-ec", FASTPRUNE + command], cwd=self.folder, capture_output=True, text=True,
            check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert done.returncode == 0, f"{where}: {command}\n{done.stderr}"
        return done.stdout


def run(words: list[str], where: str) -> str:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main(words)
        except SystemExit as end:
            status = end.code
    assert status == 0, f"{where}\n{err.getvalue()}"
    return out.getvalue()


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """What ``fastprune demo`` leaves and says, with few images and coarse plots."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch, mpl.rc_context():
        patch.setitem(demo.SIZES, "small", (IMAGES, IMAGES))
        patch.chdir(folder)
        return folder, run(["demo"], "fastprune demo")


def names_of(pages):
    return [str(page.relative_to(ROOT)) for page in pages]


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any(block.kind != "text" for block in blocks(page))],
    ids=lambda page: page.name,
)
@pytest.mark.slow
def test_a_page_runs_from_top_to_bottom(page, rendered, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Reader(tmp_path, rendered).read(page)


def test_few_blocks_are_left_out():
    found = [block.reason for page in PAGES for block in blocks(page) if block.reason]
    assert set(found) <= set(REASONS)
    assert all(found.count(reason) <= most for reason, most in REASONS.items())


def test_every_block_is_of_a_known_kind():
    """A block of another kind would be run by nobody."""
    for page in PAGES:
        lines = page.read_text(encoding="utf-8").splitlines()
        fences = [line for line in lines if line.lstrip().startswith("```")]
        assert set(fences[::2]) <= {"```bash", "```console", "```python", "```text"}, page
        assert set(fences[1::2]) <= {"```"}, page
        fenced = [block for block in blocks(page) if block.body.count("```") == 0]
        shown = [block for block in fenced if f"```{block.kind}" == lines[fence_line(block, lines)]]
        assert len(shown) == len(fences) // 2, page


def fence_line(block: Block, lines: list[str]) -> int:
    return block.line - 1 if block.reason is None else lines.index(f"```{block.kind}", block.line)


def test_the_cli_page_is_what_the_parser_gives():
    mend = f"the parser has changed: run {cli_page.MEND}"
    assert cli_page.PAGE.read_text(encoding="utf-8") == cli_page.page(), mend


def test_the_cli_page_names_every_option():
    text = cli_page.page()
    assert all(f"\n## fastprune {command}\n" in text for command in COMMANDS)
    assert "`--rank-on {cut,prune}`" in text
    assert "%(" not in text


def test_the_api_page_has_every_public_name():
    """mkdocstrings reads the names from the page, so a name that is missing there is nowhere."""
    text = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^::: ([\w.]+)$", text, re.MULTILINE))
    for name in fastprune.__all__:
        home = getattr(getattr(fastprune, name), "__module__", None)
        if name != "__version__":
            assert {f"{home}.{name}", home} & listed, f"docs/api.md lacks ::: {home}.{name}"


@pytest.mark.slow
def test_the_formats_page_names_every_column_key_and_exit_code(rendered):
    """Each as code at the start of its row, or among those that share a row."""
    text = (ROOT / "docs/formats.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w/]+)`", text))
    found = json.loads((rendered[0] / "fastprune-demo/results/sweep.json").read_text("utf-8"))
    assert {*rows.COLUMNS, *comparison_record.COLUMNS} <= named
    assert {*found, *found["sets"]["bd_test"], *found["network"], *found["options"]} <= named
    codes = dict(re.findall(r"^\| (\d+) \| ([^;|]+?)(?:;[^|]*)? \|$", text, re.MULTILINE))
    assert codes == {str(code): words.split(";")[0] for code, words in exits.STATUSES.items()}


def test_links_of_the_readme_lead_somewhere():
    """Those of the site are checked when it is built: mkdocs build --strict."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_citation_is_of_this_version():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {fastprune.__version__}\n" in text


@pytest.mark.parametrize(
    ("expected", "found", "comes"),
    [
        (["a  1.25 %", "…", "end"], "a 99 %\nmore\nend\n", True),
        (["a 1"], "b 1\n", False),
        (["two", "one"], "one\ntwo\n", False),
        (["12 images; …"], "7 images; 3 near-ties\n", True),
        (["-- valid (2000 images) ---"], "- valid (200 images) -\n", True),
    ],
)
def test_output_is_compared_but_for_its_numbers(expected, found, comes):
    if comes:
        check_output(expected, found, "here")
    else:
        with pytest.raises(AssertionError, match="does not come"):
            check_output(expected, found, "here")
