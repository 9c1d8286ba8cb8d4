"""Each network has a recipe, and a file says what differs from it."""

from pathlib import Path

import pytest

from genre_batch.choices import Schedule
from genre_batch.errors import UsageError
from genre_batch.models import recipes
from genre_batch.models.networks import NETWORKS
from genre_batch.models.recipe import Recipe


@pytest.mark.parametrize("name", NETWORKS)
def test_whose_recipe_is_whose(name: str):
    expected = {
        "compact": recipes.CHOSEN,
        "compact-fusion": recipes.CHOSEN,
        "timbre": recipes.CHOSEN,
        "crnn": recipes.RECURRENT,
        "crnn-fusion": recipes.RECURRENT,
    }
    assert recipes.of(name) is expected.get(name, recipes.ORIGINAL)


def test_the_original_did_nothing_to_its_data():
    original = recipes.ORIGINAL
    assert (original.augment, original.waveform, original.label_smoothing, original.averaging) == ((), (), 0.0, 0.0)
    assert (original.epochs, original.learning_rate, original.schedule) == (20, 5e-4, Schedule.COSINE)


def test_a_file(tmp_path: Path):
    place = tmp_path / "mine.toml"
    place.write_text("epochs = 3\n")
    assert recipes.read(str(place), Recipe(averaging=0.25)) == Recipe(averaging=0.25, epochs=3)
    place.write_text("epoch = 3\n")
    with pytest.raises(UsageError, match=r"mine\.toml: .*'epoch'"):
        recipes.read(str(place), Recipe())


def test_no_file(tmp_path: Path):
    with pytest.raises(UsageError, match=r"^no recipe .*none\.toml: .*none\.toml is not there"):
        recipes.read(str(tmp_path / "none.toml"), Recipe())


def test_a_file_that_is_no_text(tmp_path: Path):
    (tmp_path / "a.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"a\.toml is no TOML"):
        recipes.read(str(tmp_path / "a.toml"), Recipe())
