"""The page about a night: its words, its names, its price."""

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile

from genre_batch.errors import UsageError
from genre_batch.report import night
from genre_batch.tables import storage
from schemas import labels, runs
from tests.conftest import S3
from tests.report.nights import HOSTILE, commit, fill
from tests.rows import label, run

PLAIN = night.Asked(pictures=0)


class Read(HTMLParser):
    """What a browser would read: the text, tags with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.tags = "", []  # type: tuple[str, list[tuple[str, dict[str, str | None]]]]
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.text += " " if tag in ("dd", "dt", "p", "li", "td", "th", "h2") else ""

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> str:
    return fill(str(tmp_path_factory.mktemp("tables")))


@pytest.fixture(scope="module")
def page(tables: str) -> str:
    return night.make(tables, PLAIN)[0]


def words(page: str) -> str:
    return " ".join(Read(page).text.split())


def test_what_the_run_did(page: str):
    said = words(page)
    assert "Of 17 recordings in the library, 4 were labelled, 1 could not be and have a reason, and 12 were done before" in said
    assert "1 track is gone from the library and marked so." in said
    assert "2 tracks of 3 that were labelled again have another label now." in said
    assert "Run two, bundle bundle1" in said
    assert "2.0 h" in said


def test_hostile_names_are_text(page: str):
    read = Read(page)
    said = read.text
    assert "<script>alert(1)</script>.mp3" in said
    assert "song⟨U+202E⟩3pm.exe" in said
    assert "two⟨U+000A⟩lines⟨U+0009⟩tab.mp3" in said
    assert "{{ 7 * 7 }}.mp3" in said
    assert "nothing <b>there</b>" in said
    assert [tag for tag, _ in read.tags].count("script") == 3
    assert not any(name.startswith("on") for _, attributes in read.tags for name in attributes)
    hrefs = [attributes["href"] for tag, attributes in read.tags if tag == "a"]
    assert all(href and href.startswith(("#", "file:///")) for href in hrefs)
    assert "\u202e" not in page


def test_only_files_are_linked(page: str):
    read = Read(page)
    assert ("a", {"class": "uri", "href": "file:///music/x"}) in read.tags
    assert "s3://bucket/y" in read.text
    assert not any((attributes.get("href") or "").startswith("s3:") for _, attributes in read.tags)


def test_the_first_rows_are_the_least_sure_and_still_there(page: str):
    rows = page.split("<tbody>")[-1].split("</tbody>")[0]
    assert rows.count("<tr") == len(HOSTILE) + 6
    assert rows.index(">c<") < rows.index(">b<") < rows.index(">e<") < rows.index(">a<")
    assert ">f<" not in rows


def test_the_price(tables: str):
    priced = night.make(tables, night.Asked(pictures=0, price=night.Price(core_hour=0.05, cores=16, currency="EUR")))[0]
    # 2 h x 16 cores x 0.05, for 5 tracks.
    assert "1.60 EUR 16 cores at 0.05 an hour; a million tracks 320,000.00 EUR" in words(priced)


def test_cores_come_from_the_run_where_it_tells(tmp_path: Path):
    url = str(tmp_path)
    commit(url, "one", labels, label())
    commit(url, "one", runs, run("one", parameters=json.dumps({"cores": 8})))
    asked = night.Asked(pictures=0, price=night.Price(core_hour=1.0))
    assert "8 cores at 1 an hour" in words(night.make(url, asked)[0])


def test_a_price_without_cores_is_refused(tables: str):
    with pytest.raises(UsageError, match=r"run two is not in its parameters: give --cores with --core-hour"):
        night.make(tables, night.Asked(pictures=0, price=night.Price(core_hour=1.0)))


@pytest.mark.parametrize(
    ("state", "said"), [("stopped", "The run is stopped."), ("failed", "ended with an error"), ("running", "still at work")]
)
def test_a_run_that_did_not_finish(tmp_path: Path, state: str, said: str):
    url = str(tmp_path)
    commit(url, "one", labels, label())
    commit(url, "one", runs, run("one", state=state, listed=10, remaining=4))
    text = words(night.make(url, PLAIN)[0])
    assert said in text
    assert "4 remain for the next run" in text
    assert "There is nothing to compare this run with" in text
    assert "The labels of before this run are not there to compare with" in text


def test_a_run_that_found_nothing(tmp_path: Path):
    commit(str(tmp_path), "one", runs, run("one", listed=0, done=0, rejected=0, unchanged=0))
    page, told = night.make(str(tmp_path), PLAIN)
    assert (told.listed, told.tracks) == (0, 0)
    assert words(page).count("No track has a label.") == 3
    assert "<script" not in page


def test_a_list_that_is_not_whole_says_so(tables: str):
    page, told = night.make(tables, night.Asked(pictures=0, rows=3))
    assert (told.listed, told.tracks) == (3, len(HOSTILE) + 6)
    assert f"The page lists 3 of {len(HOSTILE) + 6} labels" in words(page)


def test_timelines_that_were_left_out_are_told(tables: str):
    whole, two, none = (words(night.make(tables, night.Asked(pictures=0, segments=most))[0]) for most in (7, 6, 0))
    assert "Choose a track to see its timeline and where it lies." in whole
    assert "left out by report" not in whole
    assert "1 timeline was left out by report --segments 6, which keeps those of what this run changed" in two
    assert "Choose a track to see where it lies. 4 timelines were left out by report --segments 0, which" in none
    assert "genre-batch query has them all." in none


def test_recordings_that_can_be_read_have_a_picture(tmp_path: Path):
    url, song = str(tmp_path), tmp_path / "song.wav"
    soundfile.write(song, 0.5 * np.sin(np.arange(3 * 22_050) / 10), 22_050)
    commit(url, "one", labels, label("a", uri=str(song)), label("b", uri=str(tmp_path / "gone.mp3")))
    commit(url, "one", runs, run("one"))
    assert night.make(url)[0].count('<img src="data:image/png;base64,') == 1
    assert "<img" not in night.make(url, PLAIN)[0]


def test_the_same_tables_give_the_same_page(tables: str):
    assert night.make(tables, PLAIN) == night.make(tables, PLAIN)


def test_tables_and_page_in_a_store(s3: S3):
    told = night.write(fill(s3.url("nights")), s3.url("pages", "report.html"), PLAIN)
    page = storage.read_bytes(s3.url("pages", "report.html")).decode()
    assert told.bytes == len(page.encode())
    assert "2 tracks of 3 that were labelled again have another label now." in words(page)


def test_it_is_written_whole(tables: str, tmp_path: Path):
    out = tmp_path / "made" / "report.html"
    told = night.write(tables, str(out), PLAIN)
    assert told.bytes == out.stat().st_size
    assert out.read_text().rstrip().endswith("</html>")
    assert (told.run_id, told.listed) == ("two", len(HOSTILE) + 7)
