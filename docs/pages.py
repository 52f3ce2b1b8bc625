"""Pages of the site that stand elsewhere in the repository: measurements and changes."""

from __future__ import annotations

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add them; a link of theirs that leads nowhere fails the build like any other."""
    pages = {"measurements.md": "bench/README.md", "changelog.md": "CHANGELOG.md"}
    pages |= {f"plots/{plot.name}": str(plot) for plot in (ROOT / "bench/plots").glob("*.png")}
    for place, source in pages.items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / source)))
    return files
