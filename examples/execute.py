"""Execute the notebooks here and keep their outputs small: ``python examples/execute.py``.

Needs the extra ``dev``. What is kept holds nothing of the machine: no times, no paths, no progress.
"""

from __future__ import annotations

import base64
import io
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
WIDGET = "application/vnd.jupyter.widget-view+json"
"""A progress bar, which is nothing without its kernel."""
COLOURS = 56
"""Of a picture that is kept: plots have few."""


def execute(path: Path, folder: Path, *, timeout: int = 120) -> Any:
    """Run every cell of a notebook in `folder`; return the notebook with its outputs.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        When a cell fails.
    """
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    place = {"metadata": {"path": str(folder)}}
    client = NotebookClient(
        notebook, timeout=timeout, kernel_name="python3", resources=place, record_timing=False
    )
    return client.execute()


def tidy(notebook: Any) -> Any:
    """Leave of a notebook's outputs what a reader needs, in place; return it."""
    for cell in notebook.cells:
        cell.metadata.clear()
        if cell.cell_type != "code":
            continue
        cell.outputs = [
            one
            for one in cell.outputs
            if one.get("name") != "stderr" and WIDGET not in one.get("data", {})
        ]
        for output in cell.outputs:
            data = output.get("data", {})
            if "image/png" in data:
                data["image/png"] = fewer_colours(data["image/png"])
    language = {"name": "python"}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata = {"kernelspec": kernel, "language_info": language}
    return notebook


def fewer_colours(png: str) -> str:
    """Return a PNG (base64) as one of a palette, a quarter of the size."""
    from PIL import Image

    image = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    file = io.BytesIO()
    # Median cut, the default, mixes the colours of thin lines.
    few = image.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(file, format="png", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def main() -> None:
    """Execute every notebook here and write it back."""
    import nbformat

    for path in sorted(HERE.glob("*.ipynb")):
        with tempfile.TemporaryDirectory() as folder:
            nbformat.write(tidy(execute(path, Path(folder))), path)


if __name__ == "__main__":
    main()
