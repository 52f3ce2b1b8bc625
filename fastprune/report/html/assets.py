"""What every HTML page is made of: template, style, scripts and the policy that guards them.

Everything a page needs stands in it. Its content security policy lets a browser run the page's own
two scripts and nothing else, and fetch nothing, so that a name from a file under test could do no
harm even as markup.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from pathlib import Path
from typing import Any

from fastprune.errors import OptionError
from fastprune.files.atomic import whole_file


def check_installed() -> None:
    """Make sure that what draws a page is there.

    Raises
    ------
    OptionError
        When plotly or Jinja2 is not installed.
    """
    try:
        import jinja2  # noqa: F401
        import plotly.offline  # noqa: F401
    except ImportError as error:
        message = (
            f"expected plotly and Jinja2 for the HTML page; got {error}; "
            "pip install 'fastprune[report]'"
        )
        raise OptionError(message) from error


def render(name: str, **context: Any) -> str:
    """Return the page that a template of ``page/`` gives; all of `context` is escaped."""
    from plotly.offline import get_plotlyjs

    # plotly.js holds no end tag so far; in a string or an expression the backslash changes nothing.
    plotly = str(get_plotlyjs()).replace("\r\n", "\n").replace("</script", "<\\/script")
    script = _file("page.js")
    own = {"plotly": plotly, "script": script, "style": _file("page.css")}
    page: str = _environment().get_template(name).render(
        policy=_policy(plotly, script),
        **{key: _markup(text) for key, text in own.items()},
        **context,
    )
    return page


def write_html(text: str, path: str | Path) -> Path:
    """Write a page, whole or not at all.

    Raises
    ------
    OptionError
        When `path` is a folder.
    OutputError
        When the file cannot be written.
    """
    path = Path(path)
    if path.is_dir():
        message = f"expected a file to write the page to; got a folder ({path}); name a file in it"
        raise OptionError(message)
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
    return path


def _policy(*scripts: str) -> str:
    """Return a content security policy that runs `scripts` and fetches nothing."""
    hashes = (hashlib.sha256(script.encode()).digest() for script in scripts)
    allowed = " ".join(f"'sha256-{base64.b64encode(found).decode()}'" for found in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _environment() -> Any:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    return Environment(
        loader=FunctionLoader(_file),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _markup(text: str) -> Any:
    """Mark our own text, which comes from no user, as not to be escaped."""
    from markupsafe import Markup

    return Markup(text)


def _file(name: str) -> str:
    return (resources.files("fastprune.report.html") / "page" / name).read_text(encoding="utf-8")
