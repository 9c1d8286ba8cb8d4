"""One self-contained page: a template, its styles and its script in one file that asks nothing of any network.

A policy in the page holds it to that: a browser refuses every request, and every script but the one that stands here by its digest.
So a name that broke out of its escaping would still not run.
"""

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import genre_batch
from genre_batch import progress
from genre_batch.report import text

SCRIPT, STYLE = "page.js", "page.css"


def render(template: str, **values: Any) -> str:
    """A page from one of the templates beside this module; values that are no Markup are escaped."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("genre_batch.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {name: getattr(text, name) for name in ("shown", "link", "clock", "percent", "counted", "money")}
    environment.filters["duration"] = progress.duration
    script = _beside(SCRIPT)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment.globals |= {
        # Written by us, so not to be escaped.
        "script": Markup(script),  # noqa: S704
        "style": Markup(_beside(STYLE)),  # noqa: S704
        "policy": f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'; "
        "form-action 'none'",
        "version": genre_batch.__version__,
    }
    return environment


def _beside(name: str) -> str:
    return (files("genre_batch.report") / "templates" / name).read_text(encoding="utf-8")
