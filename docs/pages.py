"""Hooks of the site: pages that stand elsewhere in the repository, and roles of docstrings."""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):<code>~?(?:[\w.]*\.)?(\w+)</code>")
"""A cross-reference of a docstring: Markdown knows no roles."""

ROOT = Path(__file__).resolve().parents[1]


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add them; a link of theirs that leads nowhere fails the build like any other."""
    pages = {"measurements.md": "bench/README.md", "changelog.md": "CHANGELOG.md"}
    pages["quickstart.ipynb"] = "examples/quickstart.ipynb"
    pages |= {f"plots/{plot.name}": str(plot) for plot in (ROOT / "bench/plots").glob("*.png")}
    for place, source in pages.items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / source)))
    return files


def on_page_content(html: str, **_: object) -> str:
    """Show ``:func:`fastprune.sweeping.run.sweep``` as ``sweep``."""
    return ROLE.sub(r"<code>\1</code>", html)
