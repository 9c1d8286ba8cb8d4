"""All five ways list the same catalog."""

import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks import listing
from genre_batch.choices import Layout
from genre_batch.tables import library

OBJECTS = 2500


@pytest.mark.parametrize("way", listing.WAYS[1:])
def test_what_is_made_is_the_catalog(tmp_path: Path, way: str):
    found = library.write(listing.made(way, str(tmp_path), OBJECTS), Layout.TREE, str(tmp_path / "listing.parquet"))
    rows = pq.read_table(found.path)
    begin = "" if way == "disk" else "music/"
    assert rows["track_id"].to_pylist() == [begin + name for some, _ in listing.objects(OBJECTS) for name in some]
    if way != "disk":
        assert rows["etag"].to_pylist() == [tag for _, tags in listing.objects(OBJECTS) for tag in tags]


def test_the_made_up_server_is_listed_to_its_end(tmp_path: Path):
    figures = listing.in_a_fresh_process("S3", str(tmp_path), OBJECTS)
    rows = pq.read_table(tmp_path / "listing.parquet")
    assert figures["rows"] == OBJECTS
    assert figures["bytes an object"] == pytest.approx(os.path.getsize(tmp_path / "listing.parquet") / OBJECTS)
    assert rows["track_id"].to_pylist() == [name for some, _ in listing.objects(OBJECTS) for name in some]
    assert rows["uri"][0].as_py() == f"s3://catalog/music/{rows['track_id'][0]}"
    assert len(set(rows["etag"].to_pylist())) == OBJECTS
