"""A published feature table becomes rows in one order, values in one order, and the front end that computes such values."""

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from genre_batch.errors import ContractViolated, UsageError
from genre_batch.front_end import MEL, Descriptors, FrontEnd
from genre_batch.signal import statistics
from genre_batch.tables import features, store
from genre_batch.tables.features import FeatureTable, read_published
from schemas import shards
from schemas.descriptors import NAMES
from tests.conftest import SHARED
from tests.rows import shard, table

# As in the published table of 30 s, and as in the one of 10 s.
ORDERS = {
    "30 s": ["filename", "length", *NAMES, "label"],
    "10 s": [*sorted(NAMES, reverse=True), "filename", "length", "label"],
}

Row = dict[str, object]


def row(filename: str, place: int, **changes: object) -> Row:
    """Values that tell rows and columns apart."""
    values: Row = {name: place + 0.001 * i for i, name in enumerate(NAMES)}
    return {"filename": filename, "length": 66_149, **values, "label": filename.split(".")[0]} | changes


ROWS = [
    row("rock.00001.1.wav", 1),
    row("blues.00002.0.wav", 2),
    row("rock.00001.0.wav", 3),
    row("blues.00002.10.wav", 4),
    row("blues.00002.9.wav", 5),
]
ORDERED = [2.0, 5.0, 4.0, 3.0, 1.0]


def write(folder: Path, rows: list[Row], columns: list[str] | None = None, name: str = "features.csv") -> str:
    columns = columns or list(rows[0])
    lines = [",".join(columns), *(",".join(str(each[column]) for column in columns) for each in rows)]
    (folder / name).write_text("\n".join(lines) + "\n")
    return str(folder / name)


def without_length(rows: list[Row]) -> list[Row]:
    return [{name: value for name, value in each.items() if name != "length"} for each in rows]


@pytest.mark.parametrize("order", ORDERS)
def test_rows_and_values_have_one_order(tmp_path: Path, order: str):
    url = write(tmp_path, ROWS, ORDERS[order])
    found = read_published(url, None)
    assert found.source == url
    assert found.rows.to_pylist() == [
        {"track_id": "blues.00002", "segment": 0, "genre": "blues", "artist": None},
        {"track_id": "blues.00002", "segment": 9, "genre": "blues", "artist": None},
        {"track_id": "blues.00002", "segment": 10, "genre": "blues", "artist": None},
        {"track_id": "rock.00001", "segment": 0, "genre": "rock", "artist": None},
        {"track_id": "rock.00001", "segment": 1, "genre": "rock", "artist": None},
    ]
    assert found.values.dtype == np.float64
    np.testing.assert_array_equal(found.values, [[float(f"{p + 0.001 * i}") for i in range(57)] for p in (2, 5, 4, 3, 1)])


def test_the_order_of_the_file_changes_nothing(tmp_path: Path):
    first = read_published(write(tmp_path, ROWS, ORDERS["30 s"]), None)
    other = read_published(write(tmp_path, ROWS[::-1], ORDERS["10 s"]), None)
    assert other.rows.equals(first.rows)
    np.testing.assert_array_equal(other.values, first.values)
    assert other.digest == first.digest


def test_length_is_kept_with_its_row(tmp_path: Path):
    rows = [each | {"length": 66_149 + i} for i, each in enumerate(ROWS)]
    found = read_published(write(tmp_path, rows), None)
    assert found.length is not None
    assert found.length.tolist() == [66_150, 66_153, 66_152, 66_151, 66_149]
    assert found.values[:, 0].tolist() == ORDERED
    assert read_published(write(tmp_path, without_length(ROWS)), None).length is None


def test_a_whole_track_is_its_first_segment(tmp_path: Path):
    (whole,) = read_published(write(tmp_path, [row("jazz.00007.wav", 1, length=661_794)]), None).rows.to_pylist()
    assert whole == {"track_id": "jazz.00007", "segment": 0, "genre": "jazz", "artist": None}


@pytest.mark.parametrize(
    ("names", "length", "segment_s"),
    [
        (["pop.00001.0.wav"], 66_149, 3.0),
        (["pop.00001.0.wav"], 220_500, 10.0),
        (["pop.00001.wav"], 661_794, 30.0),
        (["pop.00001.wav"], 22_050, 1.0),
        ([f"pop.00001.{i}.wav" for i in range(10)], None, 3.0),
        (["pop.00001.2.wav", "pop.00000.0.wav"], None, 10.0),
        (["pop.00001.wav", "pop.00002.wav"], None, 30.0),
    ],
)
def test_the_length_of_a_segment(tmp_path: Path, names: list[str], length: int | None, segment_s: float):
    rows = [row(name, i, length=length) for i, name in enumerate(names)]
    found = read_published(write(tmp_path, rows if length else without_length(rows)), None).front_end
    assert (found.segment_s, found.segment_hop_s) == (segment_s, segment_s)
    assert found.name == f"gtzan-descriptors-{segment_s:g}s"


def test_one_longer_segment_does_not_change_the_length(tmp_path: Path):
    rows = [each | {"length": 220_500 if i else 660_000} for i, each in enumerate(ROWS)]
    assert read_published(write(tmp_path, rows), None).front_end.segment_s == 10.0


def test_the_front_end_describes_and_draws_nothing():
    found = features.published_front_end(10)
    assert found.sample_rate_hz == 22_050
    assert found.descriptors == Descriptors()
    assert not found.spectrograms
    changed = {"name", "segment_s", "segment_hop_s", "spectrograms", "descriptors"}
    mine, theirs = (dataclasses.asdict(each) for each in (found, MEL))
    assert {name for name in mine if mine[name] != theirs[name]} == changed


def test_segments_below_a_second_are_refused(tmp_path: Path):
    with pytest.raises(UsageError, match=r"features\.csv: segments of 0\.75 s are too short to describe$"):
        read_published(write(tmp_path, without_length([row("pop.00001.39.wav", 1)])), None)
    assert features.published_front_end(1).segment_s == 1.0


def artists(folder: Path, *lines: str) -> str:
    (folder / "artists.csv").write_text("\n".join(["track,artist,title", *lines]) + "\n")
    return str(folder / "artists.csv")


def test_artists_are_joined_by_track(tmp_path: Path):
    known = artists(tmp_path, "rock.00001,Ada Nord,Song", "pop.00000,Somebody,Else", "blues.00002,,Unknown")
    found = read_published(write(tmp_path, ROWS), known)
    assert found.rows["artist"].to_pylist() == [None, None, None, "Ada Nord", "Ada Nord"]
    assert found.rows["artist"].type == pa.string()
    nobody = read_published(write(tmp_path, ROWS), None)
    assert nobody.rows["artist"].to_pylist() == [None] * 5
    assert nobody.rows["artist"].type == pa.string()


def test_an_artists_file_of_other_tracks_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match=r"names the artist of none of the 2 tracks: it has tracks such as 'pop\.00000'"):
        read_published(write(tmp_path, ROWS), artists(tmp_path, "pop.00000,Somebody,Else"))


def test_an_artists_file_without_artists_is_refused(tmp_path: Path):
    (tmp_path / "artists.csv").write_text("track,name\nrock.00001,Ada\n")
    with pytest.raises(UsageError, match=r"artists\.csv: no column artist: an artists file has track and artist"):
        read_published(write(tmp_path, ROWS), str(tmp_path / "artists.csv"))


def test_parquet_says_the_same(tmp_path: Path):
    expected = read_published(write(tmp_path, ROWS), None)
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "features.parquet")
    found = read_published(str(tmp_path / "features.parquet"), None)
    assert found.rows.equals(expected.rows)
    assert found.digest == expected.digest


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tempo": "fast"}, "line 4, column tempo: 'fast' is no number"),
        ({"rms_var": ""}, "line 4, column rms_var: is empty"),
        ({"mfcc20_var": "inf"}, "line 4, column mfcc20_var: inf is not finite"),
        ({"mfcc1_mean": "NaN"}, "line 4, column mfcc1_mean: NaN is not finite"),
        ({"length": "long"}, "line 4, column length: 'long' is no number"),
        ({"label": "polka"}, "line 4, column label: 'polka' is none of blues, "),
        ({"filename": "song.wav"}, r"line 4, column filename: 'song\.wav' is no genre\.NNNNN\.wav"),
        ({"filename": ""}, "line 4, column filename: None is no genre"),
        ({"filename": "blues.00002.0.wav"}, r"line 4, column filename: blues\.00002\.0\.wav stands in line 3 already"),
        ({"label": "pop"}, r"line 4, column label: 'pop', but another row of rock\.00001 says 'rock'"),
    ],
)
def test_a_bad_cell_is_refused_by_file_line_and_column(tmp_path: Path, changes: Row, said: str):
    url = write(tmp_path, [*ROWS[:2], ROWS[2] | changes, *ROWS[3:]])
    with pytest.raises(ContractViolated, match=f"^{url}: table features: {said}"):
        read_published(url, None)


def test_wrong_columns_are_refused_by_file(tmp_path: Path):
    columns = ["genre" if name == "label" else name for name in ORDERS["30 s"]]
    url = write(tmp_path, [each | {"genre": each["label"]} for each in ROWS], columns)
    with pytest.raises(ContractViolated, match=f"^{url}: table features: no column label; not expected: genre$"):
        read_published(url, None)


def test_a_header_alone_is_refused(tmp_path: Path):
    url = write(tmp_path, [], ORDERS["30 s"])
    with pytest.raises(ContractViolated, match=f"^{url}: table features: no rows$"):
        read_published(url, None)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", r"features\.csv cannot be read: Empty CSV file"),
        (bytes(range(256)) * 8, r"features\.csv cannot be read: "),
        (b"filename,label\nblues.00000.wav\n", r"features\.csv cannot be read: .*Expected 2 columns, got 1"),
        (b"label,label\n1,2\n", r"features\.csv: two columns of the same name among label, label"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, data: bytes, said: str):
    (tmp_path / "features.csv").write_bytes(data)
    with pytest.raises(UsageError, match=said):
        read_published(str(tmp_path / "features.csv"), None)


def test_a_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match=r"none\.csv does not exist"):
        read_published(str(tmp_path / "none.csv"), None)


def small() -> FeatureTable:
    rows = pa.table(
        {
            "track_id": ["a", "b"],
            "segment": pa.array([0, 1], pa.int32()),
            "genre": ["rock", "jazz"],
            "artist": pa.array(["Ada", None], pa.string()),
        }
    )
    values = np.arange(114.0).reshape(2, 57)
    return FeatureTable("/music/features.csv", rows, values, np.array([1.0, 2.0]), features.published_front_end(3))


def test_the_digest_is_sixteen_hexadecimal_digits_and_does_not_know_the_place():
    digest = small().digest
    assert len(digest) == 16
    assert int(digest, 16) >= 0
    assert dataclasses.replace(small(), source="s3://other/place.csv").digest == digest


@pytest.mark.parametrize("place", [(0, 0), (1, 56), (0, 30)])
def test_the_digest_changes_with_the_last_bit_of_a_value(place: tuple[int, int]):
    values = small().values
    values[place] = np.nextafter(values[place], np.inf)
    assert dataclasses.replace(small(), values=values).digest != small().digest


def test_the_digest_changes_with_all_that_can_be_learnt():
    lengths = [dataclasses.replace(small(), length=length) for length in (None, np.array([1.0, 3.0]))]
    columns = {"track_id": ["a", "c"], "segment": [0, 2], "genre": ["rock", "rock"], "artist": [None, "Ada"]}
    others = [
        dataclasses.replace(small(), rows=small().rows.set_column(i, name, pa.array(column, small().rows.schema.types[i])))
        for i, (name, column) in enumerate(columns.items())
    ]
    assert len({small().digest, *(each.digest for each in (*lengths, *others))}) == 7


def published(name: str) -> str:
    if not (SHARED / "gtzan" / name).is_file():
        pytest.skip(f"GTZAN's published table {name} is not in {SHARED}")
    return str(SHARED / "gtzan" / name)


def test_the_published_table_of_ten_seconds():
    found = read_published(published("features_10_sec.csv"), published("artists.csv"))
    assert found.values.shape == (2_991, 57)
    assert found.front_end.segment_s == 10.0
    first = found.rows.slice(0, 1).to_pylist()[0]
    assert first == {"track_id": "blues.00000", "segment": 0, "genre": "blues", "artist": "John Lee Hooker"}
    # The first line of the file, whose columns begin with mfcc1.
    assert found.values[0, NAMES.index("mfcc1_mean")] == -125.25643
    assert found.values[0, NAMES.index("chroma_stft_mean")] == 0.3420697
    unknown = found.rows.filter(found.rows["artist"].is_null())
    assert (unknown.num_rows, len(unknown["track_id"].unique())) == (243, 81)


def test_the_published_table_of_thirty_seconds():
    found = read_published(published("features_30_sec.csv"), None)
    assert found.values.shape == (1_000, 57)
    assert found.front_end.segment_s == 30.0
    assert set(found.rows["segment"].to_pylist()) == {0}
    assert found.rows["genre"].value_counts().field("counts").to_pylist() == [100] * 10
    assert found.length is not None
    assert (found.length.min(), found.length.max()) == (660_000, 675_808)


DESCRIBED = dataclasses.replace(MEL, descriptors=Descriptors())


def shards_with(url: str, front_end: FrontEnd, *rows: dict[str, object]) -> str:
    store.create(url, "shards", shards.ARROW, {store.FRONT_END_PROPERTY: front_end.to_json()})
    if rows:
        store.commit(url, shards, [store.write_part(url, shards, table(shards, *rows))], replaced=[], run_id="run1")
    return url


def test_shards_become_a_table_in_order(tmp_path: Path):
    values = [[float(i + n) for i in range(57)] for n in range(3)]
    url = shards_with(
        str(tmp_path),
        DESCRIBED,
        shard("b", 0, descriptors=values[2], artist=None),
        shard("a", 1, descriptors=values[1], genre="jazz"),
        shard("a", 0, descriptors=values[0], genre="jazz"),
    )
    found = features.read_shards(url)
    assert found.rows.to_pylist() == [
        {"track_id": "a", "segment": 0, "genre": "jazz", "artist": "Ada"},
        {"track_id": "a", "segment": 1, "genre": "jazz", "artist": "Ada"},
        {"track_id": "b", "segment": 0, "genre": "rock", "artist": None},
    ]
    assert found.values.tolist() == values
    assert found.length is None
    assert found.front_end == dataclasses.replace(DESCRIBED, spectrograms=False)
    assert DESCRIBED.includes(found.front_end)


def test_shards_without_descriptors_are_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="holds no shards: make them with build-shards --descriptors"):
        features.read_shards(str(tmp_path / "none"))
    with pytest.raises(UsageError, match="hold no descriptors: build others with build-shards --descriptors"):
        features.read_shards(shards_with(str(tmp_path / "plain"), MEL, shard("a")))
    with pytest.raises(UsageError, match="are empty: see the table rejects"):
        features.read_shards(shards_with(str(tmp_path / "empty"), DESCRIBED))


DRAWN = dataclasses.replace(DESCRIBED, name="small", segment_s=1.0, segment_hop_s=1.0, n_bands=4)


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, DRAWN.spectrogram_shape, np.uint8)


def test_spectrograms_become_a_table_of_what_is_told_of_them(tmp_path: Path):
    rows = [("b", 0, 2), ("a", 1, 1), ("a", 0, 0)]
    url = shards_with(str(tmp_path), DRAWN, *(shard(t, s, spectrogram=picture(seed).tobytes()) for t, s, seed in rows))
    found = features.read_spectrograms(url, statistics.describe)
    assert found.rows.select(["track_id", "segment"]).to_pylist() == [
        {"track_id": "a", "segment": 0},
        {"track_id": "a", "segment": 1},
        {"track_id": "b", "segment": 0},
    ]
    assert found.rows.column_names == ["track_id", "segment", "genre", "artist"]
    np.testing.assert_array_equal(found.values, statistics.describe(np.stack([picture(n) for n in range(3)])))
    assert found.values.shape == (3, 12)
    assert found.front_end == dataclasses.replace(DRAWN, descriptors=None)
    assert found.inputs == ("statistics",)
    assert small().inputs == ("descriptors",)


def test_few_spectrograms_are_in_memory_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(features, "ROWS_A_BATCH", 2)
    url = shards_with(str(tmp_path), DRAWN, *(shard("a", n, spectrogram=picture(n).tobytes()) for n in range(5)))
    sizes: list[int] = []

    def describe(spectrograms: np.ndarray) -> np.ndarray:
        sizes.append(len(spectrograms))
        return spectrograms.mean(axis=(1, 2))[:, None]

    values = features.read_spectrograms(url, describe).values
    assert sizes == [2, 2, 1]
    np.testing.assert_allclose(values[:, 0], [picture(n).mean() for n in range(5)])


def test_shards_without_spectrograms_are_refused(tmp_path: Path):
    described = dataclasses.replace(DESCRIBED, spectrograms=False)
    with pytest.raises(UsageError, match="holds no shards: make them with build-shards --shards"):
        features.read_spectrograms(str(tmp_path / "none"), statistics.describe)
    with pytest.raises(UsageError, match=r"hold no spectrograms: build others, or take --features descriptors$"):
        features.read_spectrograms(shards_with(str(tmp_path / "plain"), described), statistics.describe)
    with pytest.raises(UsageError, match="are empty: see the table rejects"):
        features.read_spectrograms(shards_with(str(tmp_path / "empty"), DRAWN), statistics.describe)
