"""The pages in a real browser: quiet, searchable, sortable, quick, readable on a phone and by whoever cannot see."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest

from genre_batch.report import evaluation, grid, night
from genre_batch.tables.store import Writer, write_part
from schemas import labels, runs
from tests.report.conftest import Open, Opened
from tests.report.nights import HOSTILE, commit, fill
from tests.report.test_evaluation_page import HISTORY, THREE, cell, judged
from tests.rows import WHEN, run

N_MANY = 100_000
NAME = "#list tbody tr[data-row] .name"
READY = "html[data-ready]"


class Many(NamedTuple):
    """names: in the order of the page, with their confidence in thousandths."""

    path: Path
    names: list[str]
    sure: np.ndarray


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> str:
    return fill(str(tmp_path_factory.mktemp("tables")))


@pytest.fixture(scope="module")
def page(tables: str) -> str:
    return night.make(tables, night.Asked(pictures=0))[0]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Many:
    """A page of a hundred thousand labels, and what it holds."""
    url, out = str(tmp_path_factory.mktemp("many")), tmp_path_factory.mktemp("page") / "report.html"
    rng, n = np.random.default_rng(0), N_MANY
    confidence = rng.uniform(0.5, 1, n)
    names = [f"Artist {i // 97:04}/Album {i // 11 % 9}/{i % 11:02} Song number {i * 7919 % 1_000_003}.mp3" for i in range(n)]
    shares = np.column_stack([1 - confidence, confidence]).ravel()
    table = pa.table(
        {
            "track_id": names,
            "uri": [f"s3://music/catalog/{name}" for name in names],
            "genre": np.where(confidence > 0.6, "rock", "unknown"),
            "confidence": confidence,
            "best_genre": ["rock"] * n,
            "runner_up": ["jazz"] * n,
            "probabilities": pa.MapArray.from_arrays(
                pa.array(np.arange(0, 2 * n + 1, 2), pa.int32()), pa.array(["jazz", "rock"] * n), pa.array(shares)
            ),
            "segments_used": pa.array(np.full(n, 6), pa.int32()),
            "duration_s": rng.uniform(30, 400, n),
            "loudness_db": rng.normal(-20, 5, n),
            **{name: ["x"] * n for name in ("content_version", "bundle_id", "front_end")},
            "run_id": ["one"] * n,
            "labelled_at": pa.array([WHEN] * n, pa.timestamp("us", tz="UTC")),
            "deleted_at": pa.nulls(n, pa.timestamp("us", tz="UTC")),
        },
        schema=labels.ARROW,
    )
    Writer(url, "one").commit(labels, [write_part(url, labels, table)])
    commit(url, "one", runs, run("one", listed=n, done=n, rejected=0, unchanged=0))
    night.write(url, str(out), night.Asked(pictures=0))
    order = np.argsort(np.array(names))
    return Many(out, [names[i] for i in order], np.round(1000 * confidence[order]).astype(int))


def ready(found: Opened) -> Opened:
    found.page.wait_for_selector(READY, state="attached")
    return found


def search(found: Opened, words: str) -> list[str]:
    found.page.fill("#words", words)
    found.page.wait_for_timeout(200)
    return found.texts(NAME)


def choose(found: Opened, n: int) -> None:
    """Open the n-th track of those shown."""
    found.page.locator("#list .pick").nth(n).click()
    found.page.locator("tr.track").wait_for()


def violations(found: Opened) -> list[str]:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="needs axe-playwright-python, which brings axe-core"
    )
    result = axe.Axe().run(found.page).response
    return [f"{each['id']}: {node['html'][:200]}" for each in result["violations"] for node in each["nodes"]]


def test_it_opens_quietly_and_the_list_can_be_used(opened: Open, page: str):
    found = ready(opened(page))
    assert found.page.title() == "Genre labels, run of 2026-03-02 12:30"
    assert found.page.locator("#search").is_visible()
    assert found.texts("#found") == [f"{len(HOSTILE) + 6} labels of {len(HOSTILE) + 7}"]
    assert found.texts(NAME)[:3] == ["c", "b", "e"]


def test_what_stands_there_before_the_script_is_what_it_draws(opened: Open, page: str):
    with_script, without = ready(opened(page)), opened(page, script=False)
    assert without.texts(NAME) == with_script.texts(NAME)
    cells = "#list tbody tr[data-row] td"
    drawn, stood = (["".join(each.split()) for each in found.texts(cells)] for found in (with_script, without))
    assert stood == drawn
    assert "switched off" in " ".join(without.texts("noscript"))
    assert not without.page.locator("#search").is_visible()


def test_search_is_without_case_and_accents_and_in_addresses(opened: Open, page: str):
    found = ready(opened(page))
    assert search(found, "BJORK joga") == ["Jóga – ü.mp3"]
    assert found.texts("#found") == [f"1 label of {len(HOSTILE) + 7}"]
    assert search(found, "bucket") == ["e"]
    assert search(found, "no such song") == []
    assert len(search(found, "")) == len(HOSTILE) + 6


def test_hostile_names_are_shown_and_do_nothing(opened: Open, page: str):
    found = ready(opened(page))
    assert search(found, "alert(1)") == ["script>.mp3"]
    choose(found, 0)
    assert found.texts("tr.track p.name") == [HOSTILE["script"]]
    for words, whole in (
        ("onerror", HOSTILE["quotes"]),
        ("3pm", "song⟨U+202E⟩3pm.exe"),
        ("<!--", HOSTILE["ends"]),
        ("javascript", HOSTILE["scheme"]),
    ):
        search(found, words)
        choose(found, 0)
        assert found.texts("tr.track p.name") == [whole]
    assert found.page.locator("#list img, #list script, #list b").count() == 0
    hrefs = found.page.eval_on_selector_all("a", "links => links.map(link => link.getAttribute('href'))")
    assert all(href.startswith(("#", "file:///")) for href in hrefs)


def test_sorting_by_head_and_by_menu(opened: Open, page: str):
    found = ready(opened(page))
    heads = found.page.locator("#list thead th")
    assert heads.nth(2).get_attribute("aria-sort") == "ascending"
    heads.nth(2).locator("button").click()
    assert heads.nth(2).get_attribute("aria-sort") == "descending"
    assert found.texts(NAME)[0] == "d"
    heads.nth(0).locator("button").click()
    assert [heads.nth(i).get_attribute("aria-sort") for i in range(5)] == ["ascending", None, None, None, None]
    names = found.texts(NAME)
    assert names[-7:] != sorted(names[-7:], reverse=True)
    assert names.index("a") < names.index("b") < names.index("g")
    heads.nth(0).locator("button").click()
    assert found.texts(NAME) == names[::-1]
    heads.nth(4).locator("button").click()
    heads.nth(4).locator("button").click()
    assert found.texts(NAME)[0] == "e"
    heads.nth(1).locator("button").click()
    genres = found.page.locator("#list tbody tr[data-row] td:nth-of-type(1)").evaluate_all(
        "cells => cells.map(cell => cell.firstChild.textContent)"
    )
    assert genres == sorted(genres)


@pytest.mark.parametrize(("show", "names"), [("fresh", ["c", "b", "g", "a"]), ("was", ["b", "a"]), ("gone", ["f"])])
def test_what_is_shown(opened: Open, page: str, show: str, names: list[str]):
    found = ready(opened(page))
    found.page.select_option("#show", show)
    assert found.texts(NAME) == names


def test_a_genre_is_chosen(opened: Open, page: str):
    found = ready(opened(page))
    assert found.texts("#genre option") == ["any", "jazz", "rock", "unknown"]
    found.page.select_option("#genre", label="unknown")
    assert found.texts(NAME) == ["c", "b"]


def test_a_timeline_by_keyboard(opened: Open, page: str):
    found = ready(opened(page))
    search(found, "")
    found.page.select_option("#show", "was")
    found.page.locator("#list .pick").nth(1).focus()
    found.page.keyboard.press("Enter")
    lanes = found.page.locator("tr.track .lane")
    lanes.first.wait_for()
    assert found.texts("tr.track .of") == ["rock", "jazz"]
    rock, jazz = (
        lanes.nth(i).locator("span").evaluate_all("all => all.map(one => [one.style.left, one.style.width])") for i in range(2)
    )
    # Of 15 s: two segments of rock, then one of jazz.
    assert [[round(float(x[:-1]), 1) for x in each] for each in (*rock, *jazz)] == [[0, 33.3], [33.3, 33.3], [66.7, 33.3]]
    told = found.page.locator("tr.track .time").get_attribute("aria-label")
    assert told == "Timeline: 0:00 to 0:10 rock, 75%; 0:10 to 0:15 jazz, 75%"
    assert found.page.locator("#list .pick").nth(1).get_attribute("aria-expanded") == "true"
    found.page.keyboard.press("Enter")
    assert lanes.count() == 0
    assert found.page.locator("#list .pick").nth(1).get_attribute("aria-expanded") == "false"


def test_a_track_without_segments_says_so(opened: Open, page: str):
    found = ready(opened(page))
    found.page.select_option("#show", "was")
    choose(found, 0)
    assert "written where label-catalog is run with --segments" in found.texts("tr.track")[0]
    assert found.page.locator("tr.track a").get_attribute("href") == "file:///music/b"


@pytest.mark.parametrize(("most", "there"), [(0, ""), (5, "ag"), (7, "adg")])
def test_a_timeline_that_was_left_out_says_so(opened: Open, tables: str, most: int, there: str):
    found = ready(opened(night.make(tables, night.Asked(pictures=0, segments=most))[0]))
    for name in "adeg":
        choose(found, found.texts(NAME).index(name))
        said, lanes = found.texts("tr.track")[0], found.page.locator("tr.track .lane").count()
        assert (lanes > 0) == (name in there)
        left_out = f"Its timeline was left out of this page by report --segments {most}: genre-batch query has it."
        assert (left_out in said) == (name not in there and name != "e")
        assert ("written where label-catalog is run with --segments" in said) == (name == "e")


def test_a_hundred_thousand_labels_open_in_under_two_seconds(opened: Open, many: Many):
    assert many.path.stat().st_size < 3_000_000
    took: list[int] = []
    # Other work on the machine makes it slower, and nothing makes it faster.
    while not took or (min(took) >= 2000 and len(took) < 5):
        found = ready(opened(many.path))
        took.append(int(found.page.locator("html").get_attribute("data-ready")))
    assert min(took) < 2000


def test_sorted_and_paged_as_by_hand(opened: Open, many: Many):
    found = ready(opened(many.path))
    by_hand = np.lexsort((np.arange(N_MANY), many.sure))
    rows = "list => [...list.tBodies[0].rows].map(row => +row.dataset.row)"
    assert found.page.eval_on_selector("#list", rows) == by_hand[:25].tolist()
    found.page.click("#on")
    assert found.page.eval_on_selector("#list", rows) == by_hand[25:50].tolist()
    assert found.texts("#page") == ["Page 2 of 4,000"]
    found.page.click("#back")
    assert found.page.locator("#back").is_disabled()
    found.page.locator("#list thead button").nth(2).click()
    down = np.lexsort((np.arange(N_MANY), -many.sure))
    assert found.page.eval_on_selector("#list", rows) == down[:25].tolist()
    words = ("artist", "0042", "07", "song")
    search(found, " ".join(words))
    by_hand = [i for i in down if all(word in many.names[i].lower() for word in words)]
    assert found.page.eval_on_selector("#list", rows) == by_hand[:25]
    assert found.texts("#found") == [f"{len(by_hand)} labels of 100,000"]


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (1200, True), (390, False)])
def test_axe_finds_nothing(opened: Open, page: str, width: int, dark: bool):
    found = ready(opened(page, width=width, dark=dark))
    found.page.select_option("#show", "was")
    choose(found, 1)
    found.page.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
    assert violations(found) == []
    text = evaluation.page(judged(), THREE, title="Evaluation", remarks=["Bundle `abc`."], history=HISTORY)
    assert violations(opened(text, width=width, dark=dark)) == []
    rows = [cell(protocol, model, "none", 0.5) for protocol in ("random", "artist") for model in ("ridge", "knn")]
    assert violations(opened(grid.page(rows, "t.csv", seed=1, with_deck=False), width=width, dark=dark)) == []


def test_a_phone_need_not_scroll_sideways(opened: Open, page: str):
    found = ready(opened(page, width=390))
    search(found, "xxx")
    choose(found, 0)
    found.page.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
    other = opened(evaluation.page(judged(), THREE, title="x" * 200, remarks=[], history=HISTORY), width=390)
    for each in (found, other):
        assert each.page.evaluate("document.documentElement.scrollWidth") == 390
    # Text of a chart as large as text beside it.
    sizes = found.page.locator(".chart svg").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect().width / one.viewBox.baseVal.width)"
    )
    assert min(sizes) > 0.9


def test_every_picture_has_a_text(opened: Open, page: str):
    found = ready(opened(page))
    told = found.page.locator("svg").evaluate_all(
        "all => all.map(one => [one.getAttribute('role'), one.getAttribute('aria-label')])"
    )
    assert len(told) == 5
    assert all(role == "img" and len(label) > 20 for role, label in told)
    assert found.page.locator("img:not([alt])").count() == 0


def test_drift_is_told_apart_without_colour(opened: Open, page: str):
    found = ready(opened(page))
    levels = found.texts(".level")
    assert "■ alarm" in levels
    assert "● stable" in levels
