"""What planning a night costs: seconds, and the most memory its process ever held, by the size of the catalog.

A catalog is made up in a temporary folder: a listing, and the tables that earlier nights left, in which one track of a hundred is
new, one changed, two were rejected, and half a one is gone from the library. Each plan is made by a fresh process; its peak is that
process's VmHWM, with interpreter and libraries. For comparison the same plan as sets of Python, up to `--sets-up-to` objects.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks import report
from genre_batch.tables import plan, store
from genre_batch.tables.library import Listing
from schemas import inventory, labels, rejects

OBJECTS = (10_000, 100_000, 1_000_000, 5_000_000)
ROOT = "s3://catalog/music"
BUNDLE, FRONT_END = "9f2c5a7e", "3b1d90aa"
GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
PART = 100_000
"""Rows of a file, as after `maintain`."""
OF = 200
NEW, CHANGED, REJECTED, GONE = (0, 1), (2, 3), (4, 5, 6, 7), (8,)
"""What becomes of a track by its draw out of OF."""


def main() -> None:
    options = report.parser(__doc__)
    options.add_argument("--objects", type=int, nargs="+", default=list(OBJECTS), metavar="N", help="sizes of the catalog")
    options.add_argument(
        "--sets-up-to", type=int, default=1_000_000, metavar="N", help="largest one for Python (default 1,000,000)"
    )
    options.add_argument(
        "--measure", nargs=2, metavar=("WAY", "FOLDER"), help="make one plan and print its figures (used within)"
    )
    asked = options.parse_args()
    if asked.measure:
        print(json.dumps(measured(*asked.measure)))
        return
    rows = []
    for n in asked.objects:
        with tempfile.TemporaryDirectory() as folder:
            size = make(folder, n)
            for way in ("join", "sets") if n <= asked.sets_up_to else ("join",):
                rows.append({"objects": n, "way": way, **in_a_fresh_process(way, folder), "table bytes a track": size})
    for row in rows:
        expect = expected(row["objects"])
        if {name: row[name] for name in expect} != expect:
            raise AssertionError(f"{row} is not {expect}")
    report.show("A night's plan", rows, asked.json)
    print("\n".join(as_markdown(rows)))


def make(folder: str, n: int) -> float:
    """A listing of `n` objects, and tables of labels and rejects. Returns bytes of the tables a track."""
    parts: dict[str, list[store.Receipt]] = {labels.NAME: [], rejects.NAME: []}
    with pq.ParquetWriter(os.path.join(folder, "listing.parquet"), inventory.ARROW, compression="zstd") as listing:
        for begin in range(0, tracks_of(n), PART):
            index = np.arange(begin, min(begin + PART, tracks_of(n)))
            draw, rows = drawn(index), listing_rows(index)
            listing.write_table(rows.filter(pa.array(~np.isin(draw, GONE))))
            held = pc.if_else(pa.array(np.isin(draw, CHANGED)), etags(index, 1), rows["etag"])
            for contract, which in ((labels, ~np.isin(draw, (*NEW, *REJECTED))), (rejects, np.isin(draw, REJECTED))):
                some = rows.set_column(7, inventory.ARROW.field("content_version"), held).filter(pa.array(which))
                parts[contract.NAME].append(store.write_part(folder, contract, TABLES[contract.NAME](some)))
    for contract in (labels, rejects):
        store.commit(folder, contract, parts[contract.NAME], replaced=[], run_id="benchmark")
    return sum(receipt.size for receipts in parts.values() for receipt in receipts) / tracks_of(n)


def listing_rows(index: np.ndarray) -> pa.Table:
    """Columns of schemas.inventory."""
    track_ids, versions, none = names(index), etags(index, 0), pa.nulls(len(index), pa.string())
    uris = pc.binary_join_element_wise(ROOT, track_ids, "/")
    when = pa.array(np.full(len(index), 1_790_000_000_000_000), pa.timestamp("us", tz="UTC"))
    size = pa.array(4_000_000 + index % 9_000_000)
    return pa.table([track_ids, uris, none, none, size, when, versions, versions], schema=inventory.ARROW)


def tracks_of(n: int) -> int:
    """With those that are gone."""
    return n * OF // (OF - len(GONE))


def expected(n: int) -> dict[str, int]:
    draw = drawn(np.arange(tracks_of(n)))
    gone, todo = int(np.isin(draw, GONE).sum()), int(np.isin(draw, (*NEW, *CHANGED)).sum())
    return {"todo": todo, "unchanged": tracks_of(n) - gone - todo, "deleted": gone}


def drawn(index: np.ndarray) -> np.ndarray:
    """Even, and neighbours differ."""
    return (index * 7919) % OF


def names(index: np.ndarray) -> pa.Array:
    """Track ids of 60 bytes in their order: label, artist, album, title."""
    return pa.array(
        [
            f"{i // 150_000:04}/artist-{i // 150:08}/album-{i // 12:09}/{i % 12:02}-{i * 11400714819323198485 % 2**64:016x}.mp3"
            for i in index.tolist()
        ]
    )


def etags(index: np.ndarray, version: int) -> pa.Array:
    """32 hexadecimal digits that nothing can compress."""
    drawn = np.random.default_rng((version, int(index[0]))).bytes(16 * len(index)).hex()
    return pa.array([drawn[i : i + 32] for i in range(0, len(drawn), 32)])


def labelled(some: pa.Table) -> pa.Table:
    n = some.num_rows
    shares = np.random.default_rng(n).dirichlet(np.full(len(GENRES), 0.3), n)
    best = np.argsort(-shares, axis=1)
    genres = pa.array(GENRES)
    ends = pa.array(np.arange(n + 1) * len(GENRES), pa.int32())
    columns = {
        "genre": genres.take(pa.array(best[:, 0])),
        "confidence": shares[np.arange(n), best[:, 0]],
        "best_genre": genres.take(pa.array(best[:, 0])),
        "runner_up": genres.take(pa.array(best[:, 1])),
        "probabilities": pa.MapArray.from_arrays(ends, pa.array(list(GENRES) * n), pa.array(shares.ravel())),
        "segments_used": np.full(n, 23, np.int32),
        "duration_s": 180 + 60 * shares[:, 0],
        "loudness_db": -20 + 6 * shares[:, 1],
    }
    return stamped(some, labels.ARROW, columns, "labelled_at")


def refused(some: pa.Table) -> pa.Table:
    said = {"stage": "decode", "reason": "undecodable", "detail": "no decoder knows this file"}
    return stamped(some, rejects.ARROW, {name: [value] * some.num_rows for name, value in said.items()}, "rejected_at")


TABLES = {labels.NAME: labelled, rejects.NAME: refused}


def stamped(some: pa.Table, schema: pa.Schema, columns: dict[str, object], at: str) -> pa.Table:
    n = some.num_rows
    run = {"bundle_id": BUNDLE, "front_end": FRONT_END, "run_id": "20261101T010000-3f2a9c"}
    known = {name: some[name] for name in ("track_id", "uri", "content_version")} | columns
    known |= {name: [value] * n for name, value in run.items()} | {at: some["modified_at"], "deleted_at": pa.nulls(n)}
    return pa.table({field.name: known[field.name] for field in schema}).cast(schema)


def in_a_fresh_process(way: str, folder: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.plan", "--measure", way, folder]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(ended.stdout)
    return found


def measured(way: str, folder: str) -> dict[str, float]:
    path = os.path.join(folder, "listing.parquet")
    listing = Listing(ROOT, path, pq.read_metadata(path).num_rows, 0, ROOT)
    started, cpu = time.monotonic(), time.process_time()
    found = WAYS[way](listing, folder)
    return {
        "seconds": time.monotonic() - started,
        "CPU seconds": time.process_time() - cpu,
        "peak MB": peak_mb(),
        **found,
    }


def by_join(listing: Listing, folder: str) -> dict[str, int]:
    with tempfile.TemporaryDirectory(dir=folder) as work:
        found = plan.for_labels(listing, folder, bundle_id=BUNDLE, front_end=FRONT_END, relabel=None, folder=work)
        return {"todo": found.todo, "unchanged": found.unchanged, "deleted": found.deleted}


def by_sets(listing: Listing, folder: str) -> dict[str, int]:
    """What a first version of this project did, which knew nothing of deletion."""
    listed = set(zip(*pq.read_table(listing.path, columns=["track_id", "content_version"]).to_pydict().values(), strict=True))
    alike = f"bundle_id = '{BUNDLE}' AND front_end = '{FRONT_END}'"
    held = [
        store.read(folder, contract.NAME, contract.ARROW, ["track_id", "content_version"], alike)
        for contract in (labels, rejects)
    ]
    pairs = [set(zip(*rows.to_pydict().values(), strict=True)) for rows in held]
    todo = listed - pairs[0] - pairs[1]
    gone = {track_id for some in pairs for track_id, _ in some} - {track_id for track_id, _ in listed}
    return {"todo": len(todo), "unchanged": len(listed) - len(todo), "deleted": len(gone)}


WAYS = {"join": by_join, "sets": by_sets}


def peak_mb() -> float:
    """Of this process since it began (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e6


def as_markdown(rows: list[dict[str, float]]) -> list[str]:
    head = f"| {' | '.join(rows[0])} |"
    return [
        head,
        f"| {' | '.join('---' for _ in rows[0])} |",
        *(f"| {' | '.join(_figure(value) for value in row.values())} |" for row in rows),
    ]


def _figure(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    main()
