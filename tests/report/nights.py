"""Tables after two nights, for tests of the page about the second."""

from datetime import timedelta
from types import ModuleType

from genre_batch.tables.store import Writer, write_part
from schemas import labels, rejects, runs, segments
from tests.rows import WHEN, Row, label, reject, run, segment, table

HOSTILE = {
    "script": "<script>alert(1)</script>.mp3",
    "quotes": "\"'><img src=x onerror=alert(2)> & `q`.mp3",
    "turned": "song\u202e3pm.exe",
    "lines": "two\nlines\ttab.mp3",
    "ends": "</script></title><!--.mp3",
    "template": "{{ 7 * 7 }}.mp3",
    "scheme": "javascript:alert(3)",
    "long": "long/" + "x" * 3000 + ".mp3",
    "accents": "Bjo\u0308rk/Jóga – ü.mp3",
}
NEXT = WHEN + timedelta(days=1)


def commit(url: str, run_id: str, contract: ModuleType, *rows: Row, stale: tuple[str, ...] = ()) -> None:
    Writer(url, run_id).commit(contract, [write_part(url, contract, table(contract, *rows))] if rows else [], stale=stale)


def fill(url: str) -> str:
    """Night one labels a to f and the hostile names and refuses two. Night two, in two commits, labels a, b and c again (a and b
    otherwise than before), labels g for the first time, refuses one more, and finds f gone. Segments were written for a, b, d and f by
    night one, for a and g by night two."""
    named = [label(name, uri=f"/music/{name}", confidence=0.9, run_id="one") for name in HOSTILE.values()]
    first = [
        label("a", run_id="one"),
        label("b", genre="jazz", best_genre="jazz", runner_up="rock", run_id="one"),
        label("c", genre="unknown", confidence=0.35, run_id="one"),
        label("d", runner_up=None, probabilities=[("rock", 1.0)], confidence=1.0, run_id="one"),
        label("e", uri="s3://bucket/e", duration_s=3600.0, run_id="one"),
        label("f", run_id="one"),
    ]
    heard = {"a": (0, 1), "b": (0, 1), "d": (4,), "f": (0,)}
    commit(url, "one", segments, *(segment(track, n, run_id="one") for track, places in heard.items() for n in places))
    commit(url, "one", labels, *first, *named)
    commit(
        url,
        "one",
        rejects,
        reject("x", reason="silent", stage="segment", detail="nothing <b>there</b>", run_id="one"),
        reject("y", reason="silent", stage="segment", run_id="one", uri="s3://bucket/y"),
    )
    profile = {"confidence": [0] * 7 + [40] + [0] * 2, "duration": [40] + [0] * 10, "loudness": [0] * 6 + [40] + [0] * 4}
    commit(url, "one", runs, run("one", genres=[("jazz", 10), ("rock", 30)], reasons=[("silent", 2)], **profile))

    heard_again = [segment("a", n, best_genre=g, run_id="two") for n, g in enumerate(("rock", "rock", "jazz"))]
    commit(url, "two", segments, *heard_again, *(segment("g", n, run_id="two") for n in range(2)), stale=("a",))
    commit(url, "two", labels, label("a", genre="jazz", best_genre="jazz", confidence=0.8, run_id="two"), stale=("a",))
    second = [
        label("b", genre="unknown", best_genre="jazz", confidence=0.4, run_id="two"),
        label("c", genre="unknown", confidence=0.25, run_id="two"),
        label("g", run_id="two"),
    ]
    commit(url, "two", labels, *second, stale=("b", "c"))
    commit(url, "two", labels, label("f", run_id="one", deleted_at=NEXT), stale=("f",))
    commit(url, "two", rejects, reject("z", run_id="two", rejected_at=NEXT))
    told = {
        "listed": 17,
        "done": 4,
        "rejected": 1,
        "unchanged": 12,
        "deleted": 1,
        "genres": [("jazz", 30), ("rock", 10)],
        "reasons": [("undecodable", 1)],
        "drift": [("genres, previous run", 1.0), ("genres, bundle", 0.5), ("confidence, previous run", 0.0)],
        "drift_level": "alarm",
        "tracks_per_s": 0.5,
        "started_at": NEXT,
        "finished_at": NEXT + timedelta(hours=2),
    }
    commit(url, "two", runs, run("two", **(profile | told)))
    return url
