"""Segments are drawn anew from altered recordings, in the columns in which they came."""

import numpy as np
import pyarrow as pa
import pytest

from genre_batch.choices import WaveformPart
from genre_batch.cluster import segments
from genre_batch.cluster.waveforms import altered
from genre_batch.embedded import library
from genre_batch.errors import UsageError
from genre_batch.front_end import MEL
from genre_batch.signal.extract import extract
from genre_batch.tables import store
from schemas import shards as contract
from tests import rows

NOISE = (WaveformPart.NOISE,)


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    """Both segments of one recording, as a fold of a cross-validation reads them."""
    folder = tmp_path_factory.mktemp("waveforms")
    song, url = library.songs("disco", 11.0)[0], str(folder / "shards")
    (folder / "a.wav").write_bytes(song.data)
    drawn = enumerate(extract(song.data, MEL).spectrograms)
    made = [rows.shard("a", i, uri=str(folder / "a.wav"), spectrogram=levels.tobytes()) for i, levels in drawn]
    store.create(url, contract.NAME, contract.ARROW, {store.FRONT_END_PROPERTY: MEL.to_json()})
    store.commit(url, contract, [store.write_part(url, contract, rows.table(contract, *made))], replaced=[], run_id="run1")
    return segments.open_shards(url).read(["a"], ("spectrogram", "uri"))


def test_segments_change_and_their_columns_do_not(read: pa.Table):
    found = altered(read, MEL, NOISE, np.random.default_rng(0))
    assert found.schema == read.schema
    assert found.drop_columns("spectrogram").equals(read.drop_columns("spectrogram"))
    before, after = (segments.pictures(each["spectrogram"], MEL.spectrogram_shape) for each in (read, found))
    assert all((a != b).mean() > 0.1 for a, b in zip(before, after, strict=True))
    again = altered(read, MEL, NOISE, np.random.default_rng(0))
    assert again.equals(found)
    assert not altered(read, MEL, NOISE, np.random.default_rng(1)).equals(found)


def test_nothing_is_done_without_parts(read: pa.Table):
    assert altered(read, MEL, (), np.random.default_rng(0)).equals(read)


def test_a_recording_that_has_gone_is_named(read: pa.Table):
    place = read.schema.get_field_index("uri")
    gone = read.set_column(place, "uri", pa.array(["/gone/b.wav"] * read.num_rows))
    with pytest.raises(UsageError, match=r"augmentation of waveforms needs the recordings themselves: .*b\.wav is not there"):
        altered(gone, MEL, NOISE, np.random.default_rng(0))
