"""Training that is interrupted goes on: after a worker was killed, and after everything was."""

import dataclasses
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from genre_batch.choices import Protocol, WaveformPart
from genre_batch.cluster import train
from genre_batch.cluster.train import TrainOptions, everything, run_name, train_network
from genre_batch.errors import UsageError
from genre_batch.models import bundle as bundles
from genre_batch.models.recipe import Recipe
from tests import small_shards
from tests.conftest import ROOT
from tests.sample_bundle import sample

EPOCHS = 7
OPTIONS = TrainOptions(network="compact", split=Protocol.ARTIST, recipe=Recipe(epochs=1), seed=0, workers=1)


def test_a_training_goes_on_only_on_the_shards_that_it_began_on(tmp_path: Path) -> None:
    begun = small_shards.whole(str(tmp_path / "shards"))
    split = everything(begun.tracks)
    name = run_name(begun, split, OPTIONS)
    assert run_name(begun, split, dataclasses.replace(OPTIONS)) == name
    others = [
        dataclasses.replace(begun, version=9),
        dataclasses.replace(begun, table_id="another"),
        dataclasses.replace(begun, front_end=dataclasses.replace(begun.front_end, fmin_hz=200.0)),
    ]
    names = {run_name(shards, split, OPTIONS) for shards in others}
    names |= {run_name(begun, split.slice(1), OPTIONS), run_name(begun, split, dataclasses.replace(OPTIONS, seed=1)), name}
    assert len(names) == 6


def test_another_trainings_bundle_is_told_of_before_it_is_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url, first, other = str(tmp_path / "bundle"), sample(), sample(weights=b"others")
    assert train._write(first, url) == first.bundle_id
    assert capsys.readouterr().err == ""
    made_later = sample(provenance=first.facts["provenance"] | {"trained_at": "later"})
    assert made_later.bundle_id != first.bundle_id
    assert train._write(made_later, url) == bundles.load(url).bundle_id == first.bundle_id
    assert "is of this training already, and left as it is" in capsys.readouterr().err
    assert train._write(other, url) == bundles.load(url).bundle_id == other.bundle_id
    assert capsys.readouterr().err == f"warning: bundle {first.bundle_id} in {url}, of another training, is replaced\n"


def test_nothing_is_trained_on_recordings_that_are_not_there(tmp_path: Path) -> None:
    drawn = [small_shards.row(track_id, 0) | {"uri": f"/pictures/{track_id}.png"} for track_id in small_shards.tracks()]
    small_shards.write(str(tmp_path / "shards"), drawn)
    altering = dataclasses.replace(OPTIONS, recipe=Recipe(epochs=1, waveform=(WaveformPart.NOISE, WaveformPart.PITCH)))
    with pytest.raises(UsageError, match=r"15 of the 15 tracks of .*, such as classical/0, .* --waveform noise, pitch alters"):
        train_network(
            shards_url=str(tmp_path / "shards"),
            bundle_url=str(tmp_path / "bundle"),
            checkpoints=str(tmp_path / "training"),
            options=altering,
        )
    assert not (tmp_path / "training").exists()


def test_training_outlives_its_worker_and_its_driver(tmp_path: Path) -> None:
    shards, bundle = str(tmp_path / "shards"), tmp_path / "bundle"
    # With descriptors, which this network does not look at.
    small_shards.whole(shards)
    command = [sys.executable, "-m", "jobs", "train-network", "--shards", shards, "--bundle", str(bundle)]
    command += ["--epochs", str(EPOCHS), "--patience", str(EPOCHS), "--batch-size", "8"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}

    def start() -> "subprocess.Popen[str]":
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def epochs() -> int:
        return len(list(tmp_path.glob("bundle-training/*/tensorboard/events*")))

    first = start()
    wait(first, lambda: epochs() >= 2)
    worker = next(child for child in psutil.Process(first.pid).children(recursive=True) if "RayTrainWorker" in child.name())
    before = epochs()
    worker.kill()
    # The epoch that was under way is done again.
    wait(first, lambda: epochs() >= before + 2)
    for each in [*psutil.Process(first.pid).children(recursive=True), psutil.Process(first.pid)]:
        each.kill()
    first.wait(30)
    interrupted_after = epochs()
    assert interrupted_after < EPOCHS
    assert not bundle.exists()

    second = start()
    said, _ = second.communicate(timeout=300)
    assert second.returncode == 0, said
    assert re.search(r"going on after epoch [2-9]\n", said)
    assert f"after {EPOCHS} epochs" in said
    made = bundles.load(str(bundle))
    assert made.facts["provenance"]["epochs_run"] == EPOCHS
    history = made.facts["provenance"]["history"]
    assert [scores["epoch"] for scores in history] == list(range(1, EPOCHS + 1)), "no epoch is missing, and none is told twice"
    assert all({"train_loss", "valid_loss"} <= scores.keys() for scores in history)
    assert made.front_end == dataclasses.replace(small_shards.FRONT_END, descriptors=None), (
        "labelling need not compute what the network does not see"
    )
    # Twice interrupted, at most one epoch done again each time, and told of: it did not begin anew.
    assert epochs() <= EPOCHS + 2


def wait(process: "subprocess.Popen[str]", until: Callable[[], bool], seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert process.poll() is None, process.stdout and process.stdout.read()
        assert time.monotonic() < end
        time.sleep(0.1)
