"""Markdown that a job has written, as a page with charts among its sections: one text, so that file and page cannot disagree."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markupsafe import Markup

from genre_batch.report import page


@dataclass(frozen=True)
class Figure:
    """A chart as inline SVG, and what stands under it."""

    picture: Markup
    caption: str


@dataclass(frozen=True)
class Section:
    """title: None for what stands above the first; place: what a link to it is called."""

    title: str | None
    place: str
    body: Markup
    figures: Sequence[Figure]


def render(markdown: str, figures: Mapping[str, Sequence[Figure]]) -> str:
    """The page. markdown: `# title`, then sections `## title`; HTML in it is text. figures: by the title of their section, "" for
    what stands above the first; other titles become sections of their own, at the end."""
    head, *parts = re.split(r"^## ", markdown, flags=re.MULTILINE)
    title, _, begin = head.removeprefix("# ").partition("\n")
    texts = {name.strip(): body for name, _, body in (part.partition("\n") for part in parts)}
    texts |= {name: "" for name in figures if name and name not in texts}
    sections = [Section(None, "begin", html(begin), figures.get("", ()))]
    sections += [
        Section(name, f"section-{i}", html(body, name), figures.get(name, ())) for i, (name, body) in enumerate(texts.items())
    ]
    return page.render("told.html", title=title, sections=sections)


def html(markdown: str, name: str = "") -> Markup:
    """name: of the section, told of its tables to who cannot see them."""
    made: str = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    # A wide table is moved within itself, not the page under it.
    opened = Markup('<div class="card scrolls figures" tabindex="0" role="region" aria-label="{}"><table>').format(
        f"Table: {name}" if name else "Table"
    )
    made = made.replace("<table>", opened).replace("</table>", "</table></div>").replace("<th></th>", "<td></td>")
    return Markup(made)  # noqa: S704 markdown-it escapes what is text
