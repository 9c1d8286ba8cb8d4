"""Which cells are tried: all that the table allows, under every profile alike; and what is read for them."""

import numpy as np
import pyarrow as pa
import pytest

from genre_batch.choices import Features, Map, Model, Profile, Protocol
from genre_batch.cluster.tune import Asked, _cells, tune_baselines
from genre_batch.errors import UsageError
from genre_batch.tables.features import FeatureTable, published_front_end


def table(artists: int, n_columns: int = 57) -> FeatureTable:
    """Two genres, each by so many artists with four tracks of one segment."""
    rows = [
        {"track_id": f"{genre}-{a}-{t}", "segment": 0, "genre": genre, "artist": f"{genre} {a}"}
        for genre in ("jazz", "rock")
        for a in range(artists)
        for t in range(4)
    ]
    return FeatureTable("mine", pa.Table.from_pylist(rows), np.zeros((len(rows), n_columns)), None, published_front_end(10))


def asked(*profiles: Profile, protocols: list[Protocol] | None = None) -> Asked:
    return Asked(list(profiles), protocols, [Model.RIDGE, Model.KNN], [Map.NONE, Map.RBF])


def test_what_cannot_be_split_is_left_out_of_every_profile(capsys: pytest.CaptureFixture[str]):
    """Six artists are enough for five folds, and too few for the seventh that profile seed holds out: grids must stay whole."""
    alone = {cell.protocol for cell in _cells(asked(Profile.SOUND), table(6), 42)}
    assert alone == {Protocol.RANDOM, Protocol.TRACK, Protocol.ARTIST}
    both = _cells(asked(Profile.SOUND, Profile.SEED), table(6), 42)
    assert len(both) == 2 * 2 * 2 * 2
    assert {(cell.profile, cell.protocol) for cell in both} == {
        (p, q) for p in Profile for q in (Protocol.RANDOM, Protocol.TRACK)
    }
    assert "protocol artist is left out: genre 'jazz' has 6 different artists; 7 are needed" in capsys.readouterr().err


def test_a_protocol_that_was_asked_for_is_not_left_out():
    with pytest.raises(UsageError, match="fault-filtered lists name tracks of GTZAN"):
        _cells(asked(Profile.SOUND, protocols=[Protocol.TRACK, Protocol.FAULT_FILTERED]), table(6), 42)


def test_costly_maps_come_first_and_nothing_twice():
    cells = _cells(asked(Profile.SOUND, Profile.SOUND, protocols=[Protocol.TRACK, Protocol.TRACK]), table(6), 42)
    assert [(cell.map, cell.model) for cell in cells] == [(m, n) for m in (Map.RBF, Map.NONE) for n in (Model.RIDGE, Model.KNN)]


def maps_of(asked: Asked, n_columns: int) -> list[Map]:
    return list(dict.fromkeys(cell.map for cell in _cells(asked, table(6, n_columns), 42)))


def test_a_polynomial_of_many_columns_is_left_out_or_refused(capsys: pytest.CaptureFixture[str]):
    """100 columns have 100 squares and 4,950 products."""
    unasked = Asked([Profile.SOUND], [Protocol.TRACK], [Model.RIDGE], None)
    assert maps_of(unasked, 100) == [Map.POLYNOMIAL, Map.RBF, Map.PCA, Map.NONE]
    assert capsys.readouterr().err == ""
    assert maps_of(unasked, 384) == [Map.RBF, Map.PCA, Map.NONE]
    assert "map polynomial is left out: it would make 74,304 columns of 384\n" in capsys.readouterr().err
    wanted = Asked([Profile.SOUND], [Protocol.TRACK], [Model.RIDGE], [Map.NONE, Map.POLYNOMIAL])
    assert maps_of(wanted, 100) == [Map.POLYNOMIAL, Map.NONE]
    said = "^--map polynomial is refused: it would make 5,252 columns of 101; take none, pca or rbf$"
    with pytest.raises(UsageError, match=said):
        maps_of(wanted, 101)


def test_a_table_has_no_spectrograms_to_tell_statistics_of():
    with pytest.raises(UsageError, match=r"^--features statistics goes with --shards: a table holds descriptors$"):
        tune_baselines(
            table_url="features.csv",
            shards_url=None,
            artists=None,
            looked_at=Features.STATISTICS,
            out="out",
            bundle_url="bundle",
            asked=asked(Profile.SOUND),
            seed=42,
        )
