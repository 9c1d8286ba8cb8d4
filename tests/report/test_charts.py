"""A chart is a picture with a text, of the numbers it was given, and asks nothing of a network."""

import re
from xml.etree import ElementTree

import pytest
from markupsafe import Markup

from genre_batch.report import charts

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert(1)</script> & \"'"


def texts(picture: Markup) -> list[str]:
    return [each.text or "" for each in ElementTree.fromstring(picture).iter(f"{SVG}text")]


def bars(picture: Markup, colour: str) -> list[float]:
    """Widths of the horizontal bars of a colour, from the top."""
    found = [each for each in ElementTree.fromstring(picture).iter(f"{SVG}path") if each.get("fill") == colour]
    return [float(match[1]) for each in found if (match := re.match(r"M[^h]*h(-?[\d.]+)v", each.get("d", "")))]


def alt(picture: Markup) -> str:
    root = ElementTree.fromstring(picture)
    assert root.get("role") == "img"
    return root.get("aria-label", "")


def test_bars_are_as_long_as_shares_and_the_commonest_is_first():
    picture = charts.genres({"jazz": 1, "rock": 3}, None, was="")
    long, short = bars(picture, charts.BLUE)
    assert long == pytest.approx(3 * short)
    names = texts(picture)
    assert names.index("rock") < names.index("jazz")
    assert alt(picture) == "Bar chart of the share of each genre: rock 75%, jazz 25%."


def test_what_was_before_is_a_tick_and_told():
    picture = charts.genres({"jazz": 1, "rock": 3}, {"jazz": 3, "metal": 1}, was="the run before")
    assert picture.count(f'fill="{charts.VERMILLION}"') == 2
    assert charts.VERMILLION not in charts.genres({"jazz": 1, "rock": 3}, {}, was="")
    assert alt(picture).endswith("Most changed: rock, 0% in the run before.")
    assert "metal" in texts(picture)


def test_of_many_genres_the_rare_ones_are_one_bar():
    counts = {f"genre {n:02}": 100 - n for n in range(30)}
    picture = charts.genres(counts, {"genre 29": 5}, was="the run before")
    assert len(bars(picture, charts.BLUE)) == 25
    rest = sum(100 - n for n in range(24, 30)) / sum(counts.values())
    assert f"all others {rest:.0%}" in alt(picture)
    assert "genre 23" in texts(picture)
    assert "genre 24" not in texts(picture)


def test_a_name_is_text():
    picture = charts.genres({HOSTILE: 1, "tur\u202ened": 1}, None, was="")
    assert "<script" not in picture
    assert HOSTILE in alt(picture)
    assert any(name.startswith("<script>") for name in texts(picture))
    assert "tur⟨U+202E⟩ned" in texts(picture)
    assert "\u202e" not in picture


def test_confidence_is_told_in_words():
    given, withheld = [0] * 20, [0] * 20
    given[19], given[10], withheld[4] = 5, 3, 2
    told = alt(charts.confidence(given, withheld))
    assert (
        told == "Histogram of confidence over 10 tracks: 20% are unknown, 50% have a genre with a confidence of at least 80 %."
    )
    assert alt(charts.confidence([0] * 20, [0] * 20)) == "Histogram of confidence without any track."


def test_drift_shows_both_thresholds_and_each_level_in_its_colour():
    rows = [
        {"quantity": "genres", "psi": 0.5, "level": "alarm"},
        {"quantity": "loudness", "psi": 0.05, "level": "stable"},
    ]
    picture = charts.drift(rows, 0.1, 0.25)
    assert {"watch 0.1", "alarm 0.25"} <= set(texts(picture))
    assert bars(picture, charts.VERMILLION)[0] == pytest.approx(10 * bars(picture, charts.BLUE)[0], rel=0.01)
    assert "genres 0.50 (alarm), loudness 0.05 (stable); watch begins at 0.1" in alt(picture)


def test_runs_tell_the_newest():
    rows = [{"when": f"03-{n:02} 12:00", "labelled": n, "rejected": 1} for n in range(1, 4)]
    picture = charts.runs(rows)
    assert alt(picture) == "Bar chart of 3 runs; the newest labelled 3 tracks and rejected 1."
    assert texts(picture).index("03-01 12:00") < texts(picture).index("03-03 12:00")


def test_a_heat_map_holds_its_values_in_its_order():
    cells = [
        {"row": row, "column": column, "value": value, "shade": value}
        for (row, column), value in {("z", "b"): 0.9, ("z", "a"): 0.1, ("y", "b"): 0.3, ("y", "a"): 0.6}.items()
    ]
    picture = charts.heat(cells, rows=["z", "y"], columns=["b", "a"], titles=("", "x"), alt_text="cells", form=".1f")
    assert [each for each in texts(picture) if each[0] == "0"] == ["0.9", "0.1", "0.3", "0.6"]
    assert [each for each in texts(picture) if each in "abyz"] == ["b", "a", "z", "y"]
    # Dark on bright and bright on dark.
    fills = [each.get("fill") for each in ElementTree.fromstring(picture).iter(f"{SVG}text") if (each.text or "")[:1] == "0"]
    assert fills == ["black", "white", "white", "black"]


def test_nothing_is_fetched():
    picture = charts.runs([{"when": "a", "labelled": 1, "rejected": 1}])
    assert set(re.findall(r"https?://[^\"' ]+", picture)) == {"http://www.w3.org/2000/svg"}
    assert "href" not in picture


def test_a_picture_has_one_text():
    picture = ElementTree.fromstring(charts.genres({"rock": 1}, None, was=""))
    assert [each.tag for each in picture.iter() if "role" in each.attrib] == [f"{SVG}svg"]
