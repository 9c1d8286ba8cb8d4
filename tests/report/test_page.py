"""A page is one file that allows no other, and runs no script but its own."""

import base64
import hashlib
import re

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from genre_batch.report import page
from genre_batch.report.told import Section


def made(**values: object) -> str:
    return page.render("told.html", **({"title": "a page", "sections": []} | values))


def test_what_a_page_is_given_is_escaped():
    text = made(title="<script>alert(1)</script>")
    assert "<script>alert" not in text
    assert "<title>&lt;script&gt;alert(1)&lt;/script&gt;</title>" in text


def test_what_is_missing_is_an_error():
    with pytest.raises(UndefinedError):
        page.render("told.html", title="no sections")


def test_the_policy_names_the_script_by_its_digest():
    text = page.render("base.html", title="x")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    script = page._beside(page.SCRIPT)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert Markup(policy[1]).unescape() == (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def test_sections_can_be_linked():
    text = made(sections=[Section("Figures", "section-0", Markup("<p>x</p>"), ())])
    assert 'href="#section-0"' in text
    assert '<section id="section-0">' in text
