"""Tables and plots from ``results.json`` alone."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from bench.bars import bar_rows
from bench.cases import CASES

BEGIN, END = "<!-- tables: begin, written by python -m bench -->", "<!-- tables: end -->"


def write_report(results: Path, out: Path) -> str:
    """Write the plots, and the tables into ``out/README.md`` between its markers; return these.

    Raises
    ------
    SystemExit
        When there are no results.
    """
    if not results.is_file():
        message = f"expected results; got no such file ({results}); run python -m bench first"
        raise SystemExit(message)
    found = json.loads(results.read_text(encoding="utf-8"))
    from bench.plots import write_plots

    plots = write_plots(found["runs"], out / "plots")
    text = "\n\n".join(filter(None, [*sections(found), *_links(plots)]))
    readme = out / "README.md"
    before = readme.read_text(encoding="utf-8") if readme.is_file() else f"{BEGIN}\n{END}\n"
    head, rest = before.split(BEGIN)
    tail = rest.split(END)[1]
    readme.write_text(f"{head}{BEGIN}\n\n{text}\n\n{END}{tail}", encoding="utf-8")
    return text


def _links(plots: dict[str, str]) -> list[str]:
    return [f"![{words}](plots/{name}.png)" for name, words in plots.items()]


def sections(found: dict[str, Any]) -> list[str]:
    """Return every section of the tables."""
    runs = found["runs"]
    columns = ["figure", "median", "min–max", "rounds", "bar (stretch)", "reached"]
    # Figures of one shared process say nothing about bars.
    bars = "" if found["sizes"]["together"] else table(columns, bar_rows(runs))
    head = ["", "case", "time, s", "min–max", "memory, MB", "rounds"]
    made = [_about(found), _compared(found["compared"])]
    if bars:
        made.append("### Bars\n\n" + bars)
    titles = {
        "lab": "The lab's four sets",
        "startup": "Start-up",
        "images": "Scaling: images (the lab's sets so many times over, uint8)",
        "networks": "Scaling: channels and classes (VGG-like networks)",
    }
    for group, title in titles.items():
        rows = case_rows([run for run in runs if run["group"] == group])
        if rows:
            made.append(f"### {title}\n\n" + table([*head[:2], "at", *head[2:]], rows))
    return made


def _about(found: dict[str, Any]) -> str:
    machine, lab = found["machine"], found["lab"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    shapes, about = lab["sets"].items(), lab["network"]
    network = (
        f"{about['name']}, {about['n_channels']} channels at {about['prune_layer']}, cut at "
        f"{about['cut_layer']}, {about['n_classes']:,} classes"
    )
    sets = ", ".join(f"{name} {tuple(shape[:-1])} {shape[-1]}" for name, shape in shapes)
    return "\n".join([
        f"- Machine: {machine['cpu']}, {machine['cores']} cores, {machine['memory'] / 1e9:.0f} GB, "
        f"{machine['system']}; threads: {machine['threads']}; load at start "
        f"{', '.join(map(str, machine['load_at_start']))}",
        f"- Python {machine['python']}, {versions}; fastprune at {machine['commit']}, "
        f"{machine['date']}",
        f"- Lab: {'built in' if lab['built_in'] else 'given'}, {network}; {sets}",
        *_one_process(found),
    ])  # fmt: skip


def _one_process(found: dict[str, Any]) -> list[str]:
    if not found["sizes"]["together"]:
        return []
    return ["- **All cases shared one process (`--quick`): these figures mean nothing.**"]


def _compared(compared: list[dict[str, Any]]) -> str:
    """Say how many counts were compared, and that none differed beyond near-ties."""
    others = [one for one in compared if one["case"] != one["with"]]
    total = sum(one["compared"] for one in others)
    different = sum(one["different"] for one in others)
    seen = {}
    for one in compared:
        seen[one["group"], one["point"]] = one["near_ties"]
    return (
        f"- Compared first: {total:,} counts of hits of the other cases with fastprune's; "
        f"{different} differed ({sum(seen.values()):,} near-ties over all files and steps; a run "
        "ends when a count differs by more)."
    )


def case_rows(runs: list[dict[str, Any]]) -> list[list[str]]:
    """Return one row per case and point: letter, words, point, time, memory, rounds."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for run in runs:
        found.setdefault((run["point"], run["case"]), []).append(run)
    rows = []
    for (point, case), measured in found.items():
        seconds = [run["seconds"] for run in measured]
        memory = statistics.median(run["memory"] for run in measured) / 1e6
        known = CASES.get(case)
        about = measured[0]["about"]
        words = known.words if known else "load, build, trace and compile, less a repeat"
        if "steps_measured" in about:
            words += f"; {about['steps_measured']} of {about['steps']} steps measured, extrapolated"
        if "engine" in about:
            words += f" ({about['engine']})"
        rows.append([
            f"({known.letter})" if known else "", words, _point(measured[0]["group"], point),
            f"{statistics.median(seconds):.2f}",
            f"{min(seconds):.2f}–{max(seconds):.2f}", f"{memory:.0f}", str(len(measured)),
        ])  # fmt: skip
    return rows


def _point(group: str, point: str) -> str:
    if group == "networks":
        channels, classes = map(int, point.split("x"))
        return f"{channels} channels, {classes:,} classes"
    return f"{point}x" if group == "images" else point


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table; nothing without rows."""
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
