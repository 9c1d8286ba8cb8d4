"""What a network is trained with: its own recipe, over it a file, over it flags; and what --describe shows."""

import os
import re
from pathlib import Path
from typing import Any

import pytest

from genre_batch.choices import Augmentation, Schedule, WaveformPart
from genre_batch.errors import UsageError
from genre_batch.models import recipes
from genre_batch.models.networks import NETWORKS
from jobs.train_network import recipe_from
from tests import running, small_shards


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("GENRE_BATCH_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mine.toml"


def nothing(**given: Any) -> dict[str, Any]:
    """What the command line hands over: None for what was not said, an empty list for a part that was not."""
    names = ("epochs", "batch_size", "learning_rate", "weight_decay", "schedule", "label_smoothing", "averaging", "patience")
    return dict.fromkeys(names) | {"augment": [], "waveform": None} | given


@pytest.mark.parametrize("network", NETWORKS)
def test_its_own_recipe_where_nothing_is_said(network: str):
    assert recipe_from(network, None, nothing()) == recipes.of(network)


def test_a_file_before_its_own_recipe_and_a_flag_before_both(file: Path):
    file.write_text('epochs = 3\nlearning_rate = 0.5\naugment = ["gain"]\n[strength]\ngain_db = 9.0\n')
    found = recipe_from("crnn", str(file), nothing(epochs=2, schedule=Schedule.COSINE))
    assert (found.epochs, found.learning_rate, found.augment, found.strength.gain_db) == (2, 0.5, (Augmentation.GAIN,), 9.0)
    assert found.schedule is Schedule.COSINE
    own = recipes.of("crnn")
    kept = ("batch_size", "weight_decay", "averaging", "patience", "label_smoothing", "warm_up", "waveform")
    assert {name: getattr(found, name) for name in kept} == {name: getattr(own, name) for name in kept}
    assert found.strength.crop_share == own.strength.crop_share


def test_nought_is_said_too():
    found = recipe_from("compact", None, nothing(averaging=0.0, label_smoothing=0.0, weight_decay=0.0))
    assert (found.averaging, found.label_smoothing, found.weight_decay) == (0.0, 0.0, 0.0)


def test_parts_take_the_place_of_those_there_were(file: Path):
    file.write_text('augment = ["gain", "shift"]\nwaveform = ["noise"]\n')
    found = recipe_from("compact", str(file), nothing(augment=["crop", "mixup"], waveform=["codec"]))
    assert (found.augment, found.waveform) == ((Augmentation.CROP, Augmentation.MIXUP), (WaveformPart.CODEC,))


def test_none_switches_all_parts_off(file: Path):
    file.write_text('augment = ["gain"]\nwaveform = ["noise"]\n')
    assert recipes.of("compact").augment
    assert recipe_from("compact", None, nothing(augment=["none"])).augment == ()
    found = recipe_from("compact", str(file), nothing(augment=["none"], waveform=["none"]))
    assert (found.augment, found.waveform) == ((), ())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"augment": ["crop", "gian"]}, "^there is no augment 'gian': did you mean 'gain'\\?$"),
        ({"waveform": ["codecs"]}, "^there is no waveform 'codecs': did you mean 'codec'\\?$"),
        ({"augment": ["none", "crop"]}, "^--augment none stands alone: leave it out, or the others$"),
        ({"averaging": 1.0}, "^averaging is 1.0: it must be at least 0 and below 1$"),
        ({"learning_rate": float("nan")}, "^learning_rate is nan: it must be finite$"),
        ({"weight_decay": -0.1}, "^weight_decay is -0.1: it must be at least 0$"),
    ],
)
def test_what_is_not_right_is_named(given: dict[str, Any], message: str):
    with pytest.raises(UsageError, match=message):
        recipe_from("compact", None, nothing(**given))


def test_a_network_that_is_not_known():
    with pytest.raises(UsageError, match="no network 'vgg'"):
        recipe_from("vgg", None, nothing())


Capture = pytest.CaptureFixture[str]


def test_from_the_command_line_a_misspelt_part_is_one_line(capfd: Capture, tmp_path: Path, file: Path):
    places = ("--shards", str(tmp_path / "shards"), "--bundle", str(tmp_path / "bundle"))
    ended = running.job(capfd, "train-network", *places, "--augment", "crop", "--augment", "mixupp")
    assert (ended.code, ended.err) == (2, "error: there is no augment 'mixupp': did you mean 'mixup'?\n")
    file.write_text("epoch = 3")
    ended = running.job(capfd, "train-network", *places, "--recipe", str(file))
    assert (ended.code, ended.err) == (2, f"error: {file}: Recipe has no parameter 'epoch': did you mean 'epochs'?\n")
    ended = running.job(capfd, "train-network", *places, "--network", "vgg")
    assert ended.code == 2
    assert ended.err.startswith("error: no network 'vgg': there is compact, ")


@pytest.mark.parametrize(
    "given",
    [
        ("train-network", "--folds", "-1"),
        ("train-network", "--seed", "-1"),
        ("train-network", "--seed", str(2**32)),
        ("train-network", "--batch-size", "1"),
        ("train-network", "--patience", "0"),
        ("train-network", "--epochs", "0"),
        ("tune-network", "--seed", "-1"),
        ("tune-network", "--folds", "1"),
        ("tune-network", "--trials", "0"),
        ("evaluate", "--folds", "-1"),
        ("evaluate", "--seeds", "0"),
    ],
)
def test_a_number_out_of_range_is_an_error_of_its_option(capfd: Capture, given: tuple[str, str, str]):
    ended = running.job(capfd, *given)
    assert ended.code == 2
    said = re.sub(r"[\s│╭╮╰╯─]+", " ", ended.err)
    assert re.search(rf"Invalid value for '{given[1]}' .*: Input should be (greater|less) than or equal to", said)


@pytest.mark.parametrize("folds", [(), ("--folds", "5")])
@pytest.mark.usefixtures("ray_session")
def test_segments_of_a_track_never_stand_on_both_sides(capfd: Capture, tmp_path: Path, folds: tuple[str, ...]):
    places = ("--shards", small_shards.whole(str(tmp_path / "shards")).url, "--bundle", str(tmp_path / "bundle"))
    ended = running.job(capfd, "train-network", *places, "--split", "random", *folds)
    assert ended.code == 2
    assert ended.err.startswith("error: --split random would put segments of one track on both sides: take artist")


@pytest.mark.parametrize(
    ("given", "missing"), [((), "--shards"), (("--shards", "x"), "--bundle"), (("--bundle", "x"), "--shards")]
)
def test_what_is_missing_is_named(capfd: Capture, given: tuple[str, ...], missing: str):
    ended = running.job(capfd, "train-network", *given)
    assert ended.code == 2
    assert f"{missing} is needed, or --describe NAME" in re.sub(r"[\s│╭╮╰╯─]+", " ", ended.err)


def test_a_network_is_described_without_shards(capfd: Capture):
    ended = running.job(capfd, "train-network", "--describe", "mini-vgg-v5")
    assert (ended.code, ended.err) == (0, "")
    lines = [re.split(r"\s{2,}", line.strip()) for line in ended.out.splitlines()]
    assert lines[0] == ["mini-vgg-v5, for spectrograms of 480 × 640, 10 genres"]
    assert lines[1] == ["layer", "output", "parameters"]
    assert lines[3] == ["Conv2d-1", "[-1, 32, 480, 640]", "320"]
    assert ["Linear-26", "[-1, 512]", "314,573,312"] in lines
    assert ["parameters", "314,866,794"] in lines


@pytest.mark.parametrize(
    ("network", "parameters"),
    [
        ("mini-vgg-v6", "71,831,146"),
        ("resnet34-seed", "19,722,450"),
        ("resnet34-fusion", "19,779,450"),
        ("resnet34", "21,283,530"),
    ],
)
def test_each_has_the_parameters_that_it_should(capfd: Capture, network: str, parameters: str):
    ended = running.job(capfd, "train-network", "--describe", network)
    assert re.search(rf"^parameters +{parameters}$", ended.out, re.MULTILINE)


def test_a_network_is_described_for_shards(capfd: Capture, tmp_path: Path):
    shards = small_shards.whole(str(tmp_path / "shards"))
    ended = running.job(capfd, "train-network", "--describe", "crnn-fusion", "--shards", shards.url)
    rows, columns = small_shards.SHAPE
    assert ended.out.startswith(f"crnn-fusion, for spectrograms of {rows} × {columns}, 3 genres\n")
    ended = running.job(capfd, "train-network", "--describe", "mini-vgg-v6", "--shards", shards.url)
    assert ended.code == 2
    assert "too small for this network" in ended.err


def test_a_network_that_is_not_known_is_not_described(capfd: Capture):
    ended = running.job(capfd, "train-network", "--describe", "vgg")
    assert ended.code == 2
    assert ended.err.startswith("error: no network 'vgg'")
