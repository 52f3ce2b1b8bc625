"""The plan of the house: rooms, sizes, imports. Directions are held by `lint-imports`."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import grimp
import pytest

import fastprune

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "fastprune"
FILES = sorted(PACKAGE.rglob("*.py"))
LONGEST_FILE = 300
LONGEST_FUNCTION = 40
"""Lines of code: neither docstring nor comments nor what is empty."""
FUNCTIONS = {name for name in fastprune.__all__ if not name[0].isupper()}


def circles(nodes: Iterable[str], imported: Callable[[str], Iterable[str]]) -> list[set[str]]:
    """Return the groups of more than one node that all reach each other."""
    reached: dict[str, set[str]] = {}
    for start in nodes:
        seen: set[str] = set()
        waiting = list(imported(start))
        while waiting:
            node = waiting.pop()
            if node not in seen:
                seen.add(node)
                waiting += imported(node)
        reached[start] = seen
    found = [{node} | {a for a in reached[node] if node in reached[a]} for node in reached]
    return [group for i, group in enumerate(found) if len(group) > 1 and group not in found[:i]]


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    """Every import, those inside functions and of types as well."""
    return grimp.build_graph("fastprune", exclude_type_checking_imports=False, cache_dir=None)


def test_circles_are_found() -> None:
    imports = {"a": "b", "b": "ac", "c": "d", "d": "", "e": "f", "f": "e"}
    assert circles(imports, imports.__getitem__) == [{"a", "b"}, {"e", "f"}]


def test_no_circle_of_files(graph: grimp.ImportGraph) -> None:
    assert circles(graph.modules, graph.find_modules_directly_imported_by) == []


@pytest.mark.parametrize("depth", [2, 3])
def test_no_circle_of_rooms(graph: grimp.ImportGraph, depth: int) -> None:
    """A room is a folder; a file of the package itself is a room of its own."""

    def room(module: str) -> str:
        return ".".join(module.split(".")[:depth])

    rooms: dict[str, set[str]] = {room(module): set() for module in graph.modules}
    for module in graph.modules - {"fastprune"}:
        for other in graph.find_modules_directly_imported_by(module) - {"fastprune"}:
            rooms[room(module)] |= {room(other)} - {room(module)}
    assert circles(rooms, rooms.__getitem__) == []


def test_the_root_holds_the_faces_alone() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= 8


def test_no_room_bears_the_name_of_a_public_function() -> None:
    """Importing it would hide the function."""
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    assert folders & FUNCTIONS == set()
    assert {path.parent.relative_to(PACKAGE) for path in FILES} == {
        path.parent.relative_to(PACKAGE) for path in PACKAGE.rglob("__init__.py")
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_is_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


def test_a_face_of_a_room_is_a_paragraph() -> None:
    for path in PACKAGE.rglob("*/__init__.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert len(tree.body) == 1, path
        assert ast.get_docstring(tree), path


def code_lines(node: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str]) -> int:
    """Return how many lines of a function's body are code."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    if not body:
        return 0
    inside = lines[body[0].lineno - 1 : body[-1].end_lineno]
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in inside)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_function_is_short_or_says_why_not(path: Path) -> None:
    """A longer one has its reason in a comment ``# Long: …`` in its first lines."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            count = code_lines(node, lines)
            said = any("# Long: " in line for line in lines[node.lineno - 1 : node.end_lineno])
            assert said == (count > LONGEST_FUNCTION), (node.name, count)


def test_every_documented_name_can_be_imported() -> None:
    text = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    names = re.findall(r"^::: ([\w.]+)$", text, re.MULTILINE)
    assert len(names) > 25
    for name in names:
        module, _, last = name.rpartition(".")
        found = importlib.import_module(module)
        assert hasattr(found, last) or importlib.import_module(name), name


def test_the_detector_is_reached_by_its_public_name() -> None:
    from fastprune import detector

    assert fastprune.detector is detector
    assert all(hasattr(detector, name) for name in detector.__all__)
