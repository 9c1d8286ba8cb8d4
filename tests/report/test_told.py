"""Markdown becomes a page that says the same, with charts where they belong."""

from markupsafe import Markup

from genre_batch.report import told
from genre_batch.report.told import Figure

TEXT = "# A title\n\nBegin **here**.\n\n## First\n\n| | n |\n| --- | --- |\n| a\\|b | 1 |\n\n## Second\n\n- one\n"
CHART = Figure(Markup("<svg>chart</svg>"), "what it shows")


def test_sections_in_their_order():
    page = told.render(TEXT, {})
    assert "<h1>A title</h1>" in page
    assert page.index("<p>Begin <strong>here</strong>.</p>") < page.index("<h2>First</h2>") < page.index("<h2>Second</h2>")
    assert "<td>a|b</td>" in page


def test_a_chart_stands_in_its_section():
    page = told.render(TEXT, {"Second": [CHART]})
    assert page.index("<h2>Second</h2>") < page.index("<svg>chart</svg>") < page.index("<li>one</li>")
    assert "<figcaption>what it shows</figcaption>" in page


def test_charts_above_the_first_section_and_in_one_of_their_own():
    page = told.render(TEXT, {"": [CHART]})
    assert page.index("Begin") < page.index("<svg>") < page.index("<h2>First</h2>")
    page = told.render(TEXT, {"Third": [CHART]})
    assert page.index("<h2>Second</h2>") < page.index("<h2>Third</h2>") < page.index("<svg>")


def test_html_and_schemes_in_markdown_are_text():
    made = told.html('<script>alert(1)</script>\n\n[x](javascript:alert(2))\n\n<img src=x onerror="alert(3)">\n')
    assert "<script" not in made
    assert "<img" not in made
    assert "href" not in made


def test_a_table_is_a_region_with_a_name_and_no_empty_head():
    made = told.html("| | n |\n| --- | --- |\n| a | 1 |\n", 'a "name"')
    assert made.startswith(
        '<div class="card scrolls figures" tabindex="0" role="region" aria-label="Table: a &#34;name&#34;"><table>'
    )
    assert "<th></th>" not in made
    assert made.rstrip().endswith("</table></div>")
