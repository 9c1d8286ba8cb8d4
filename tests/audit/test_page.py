"""The page that people look at."""

from html.parser import HTMLParser

import pytest

from genre_batch.audit import leakage, outcome, page
from tests.audit import made

HOSTILE = 'rock/<script>alert(1)</script> & "x" \''


class Read(HTMLParser):
    """Tags, cells and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "action")]

    def handle_data(self, data: str) -> None:
        self.text += data


def drawn(rows: list[made.Row], split: leakage.Split | None = None) -> tuple[str, Read]:
    figures, _ = outcome.judge(made.tracks(rows), source="shards", url="/music/<b>", version=4, split=split)
    html = page.html(figures)
    return html, Read(html)


ROWS = [
    made.row(HOSTILE, made.print_of(0), artist="<img src=x>"),
    made.row("pop/b", made.print_of(0), artist="Bo"),
    made.row("pop/c", silent=0.9),
]


def test_names_are_text_and_nothing_else():
    _, read = drawn(ROWS)
    assert HOSTILE in read.text
    assert "<img src=x>" in read.text
    assert {"script", "img", "b"}.isdisjoint(read.tags)


def test_it_asks_nothing_of_any_network():
    html, read = drawn(ROWS)
    assert read.links == []
    assert "default-src 'none'" in html


def test_it_says_what_was_found():
    _, read = drawn(ROWS)
    text = " ".join(read.text.split())
    assert (
        "Found: 1 pair of duplicates, 1 of them under two labels, 1 leak from one side of a split to the other, 1 silent track."
        in text
    )
    assert "90% of its time" in text
    assert "not told by shards" in text
    assert read.tags.count("caption") == read.tags.count("table")


def test_it_says_how_many_tracks_the_split_has():
    _, read = drawn(ROWS, leakage.Split("/<b>.csv", {"pop/b": "train", "pop/c": "test", "pop/gone": "test"}))
    assert "2 of them are in the split /<b>.csv. Found: " in " ".join(read.text.split())
    assert "of them are in the split" not in drawn(ROWS)[1].text


def test_long_tables_end(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(page, "MOST_ROWS", 2)
    _, read = drawn([made.row(f"pop/{i}", made.print_of(0)) for i in range(4)])
    assert "And 4 more, in duplicates.csv." in read.text


def test_an_empty_audit_is_a_page():
    assert "Found: nothing." in drawn([])[1].text
