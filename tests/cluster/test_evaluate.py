"""`evaluate` from end to end, on a small library of real recordings: refusals, marks, stability, and cross-validation that goes on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from genre_batch import splits
from genre_batch.choices import Protocol
from genre_batch.cluster import folds, segments
from genre_batch.cluster.recordings import measure
from genre_batch.evaluation import metrics
from genre_batch.models import calibrate, export, scorer
from genre_batch.models.bundle import Bundle, Served
from genre_batch.models.recipe import Recipe
from genre_batch.models.verdict import judge
from genre_batch.signal.alter import ALTERATIONS
from genre_batch.signal.extract import extract
from genre_batch.taxonomy import Taxonomy
from tests.conftest import SHARED
from tests.running import Ended, job

SONGS = 30
PICTURES = {"confusion.png", "reliability.png", "coverage.png"}
Run = Callable[..., Ended]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    return lambda *arguments: job(capfd, *arguments)


@pytest.fixture(scope="module")
def place(small_library_shards: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With shards in it."""
    place = tmp_path_factory.mktemp("evaluate")
    (place / "shards").symlink_to(small_library_shards)
    return place


@pytest.fixture(scope="module", autouse=True)
def bundle(place: Path) -> Bundle:
    """Trained for a few epochs on the artists of its training part."""
    shards = segments.open_shards(f"{place}/shards")
    split = splits.split(shards.tracks, Protocol.ARTIST, seed=0)
    made = trained(shards, split)
    made.write(f"{place}/bundle")
    return made


def trained(shards: segments.Shards, split: pa.Table) -> Bundle:
    """As train-network makes a bundle, but in memory: Ray Train takes its time."""
    recipe, taxonomy = Recipe(epochs=4, batch_size=8), Taxonomy.of(shards.tracks["genre"].to_pylist())
    rows = {part: split.filter(pc.equal(split["part"], part))["track_id"].to_pylist() for part in ("train", "valid", "test")}
    history: list[dict[str, float]] = []
    network = folds.fit_in_memory(
        shards.read(rows["train"], ("spectrogram",)),
        *(shards.front_end, taxonomy.genres, "compact", recipe, 0),
        lambda state: history.append(state.history[-1]),
    )
    member = export.member(network, "compact", shards.front_end.spectrogram_shape)
    served = Served((member.served,), None, shards.front_end)
    parts = {part: segments.arrays(segments.score(shards, served, set(rows[part])), taxonomy) for part in ("valid", "test")}
    calibration = calibrate.fit(calibrate.pool(parts["valid"].logits, parts["valid"].tracks), parts["valid"].labels)
    return Bundle.assemble(
        name="compact",
        members=[member],
        front_end=shards.front_end,
        taxonomy=taxonomy,
        calibration=calibration,
        split=split,
        provenance={
            "members": [{"network": "compact", "recipe": recipe.to_dict(), "seed": 0}],
            "shards": shards.url,
            "shards_version": shards.version,
            "split_digest": splits.digest(split),
            "options": {"split": "artist", "recipe": recipe.to_dict()},
            "seed": 0,
            "history": history,
            "epochs_run": len(history),
        },
        metrics={part: metrics.evaluate(*found, taxonomy, calibration) for part, found in parts.items()},
    )


def evaluated(run: Run, place: Path, out: str, *options: str) -> tuple[dict[str, Any], str, Ended]:
    ended = run("evaluate", "--bundle", f"{place}/bundle", "--shards", f"{place}/shards", "--out", f"{place}/{out}", *options)
    assert ended.code == 0, ended.err
    folder = place / out
    return json.loads((folder / "evaluation.json").read_text()), (folder / "evaluation.md").read_text(), ended


def test_a_bundle_is_not_judged_on_what_it_was_trained_on(run: Run, place: Path) -> None:
    arguments = ("evaluate", "--bundle", f"{place}/bundle", "--shards", f"{place}/shards", "--out", f"{place}/none")
    refused = run(*arguments)
    assert refused.code == 2
    assert (
        f"24 of the {SONGS} tracks of {place}/shards took part in training this bundle, and 12 of their artists did"
        in refused.err
    )
    assert "--leave-out judges the other tracks, --include-training judges all" in refused.err
    both = run(*arguments, "--leave-out", "--include-training")
    assert (both.code, "take one of --leave-out and --include-training" in both.err) == (2, True)
    assert not (place / "none").exists()


def test_tracks_that_were_left_out_of_training(run: Run, place: Path, bundle: Bundle) -> None:
    figures, page, ended = evaluated(run, place, "left out", "--leave-out")
    assert figures == figures | bundle.facts["metrics"]["test"]
    assert (figures["n_tracks"], figures["tracks_left_out"], figures["includes_training_tracks"]) == (6, 24, False)
    assert (figures["bundle_id"], figures["shards"]) == (bundle.bundle_id, f"{place}/shards")
    assert "LEAKY" not in page
    assert "- No artist of a measured track was heard in training." in page
    assert (
        f"6 tracks (24 left out: trained on, or by an artist trained on): track accuracy {figures['track_accuracy']:.3f}"
        in ended.out
    )
    assert "evaluation.json, evaluation.md, evaluation.html, confusion.png" in ended.out
    files = {file.name: file.read_bytes() for file in (place / "left out").iterdir()}
    assert files.keys() == PICTURES | {"evaluation.json", "evaluation.md", "evaluation.html", "learning_curves.png"}
    assert all(data.startswith(b"\x89PNG") for name, data in files.items() if name.endswith(".png"))
    assert "![learning_curves](<learning_curves.png>)" in page


def test_stability_is_that_of_the_recordings(place: Path, bundle: Bundle) -> None:
    """The same as altering each recording by hand and labelling it."""
    figures = json.loads((place / "left out" / "evaluation.json").read_text())
    shards = segments.open_shards(f"{place}/shards")
    test = [row["track_id"] for row in bundle.split.to_pylist() if row["part"] == "test"]
    uris = {row["track_id"]: row["uri"] for row in shards.read(test, ("uri",)).to_pylist()}

    def label(data: bytes) -> tuple[str, str]:
        features = extract(data, bundle.front_end)
        verdict = judge(bundle, scorer.of(bundle, "cpu")(features.spectrograms, features.descriptors))
        return verdict.best_genre, verdict.genre

    assert list(figures["stability"]) == list(ALTERATIONS)
    sounds = {track_id: Path(uri).read_bytes() for track_id, uri in uris.items()}
    original = {track_id: label(data) for track_id, data in sounds.items()}
    for name, alter in ALTERATIONS.items():
        changed = {track_id: label(alter(data)) for track_id, data in sounds.items()}
        found = figures["stability"][name]
        assert (found["n"], found["unusable"]) == (6, 0)
        for key, i in (("flip_rate", 0), ("flip_rate_with_unknown", 1)):
            assert found[key] == np.mean([changed[track_id][i] != original[track_id][i] for track_id in sounds]), name


def test_what_cannot_be_labelled_is_counted(place: Path, bundle: Bundle, small_library: Path) -> None:
    good = next((small_library / "disco").glob("*Song 1.wav"))
    recordings = {"good": str(good), "silent": str(small_library / "broken" / "silent.flac"), "gone": f"{place}/gone.wav"}
    flips, labels = measure(bundle, recordings)
    assert labels.keys() == {"good"}
    assert {(found["n"], found["unusable"]) for found in flips.values()} == {(1, 0)}
    assert measure(bundle, {"gone": f"{place}/gone.wav"}) == ({}, {})


def test_training_tracks_mark_what_they_flatter(run: Run, place: Path) -> None:
    figures, page, ended = evaluated(run, place, "leaky", "--include-training", "--no-stability")
    assert (figures["n_tracks"], figures["includes_training_tracks"], figures["tracks_left_out"]) == (SONGS, True, 0)
    assert "stability" not in figures
    assert page.splitlines()[2].startswith("**LEAKY: ")
    assert "- **Artists may stand on both sides of the split: these figures flatter it.**" in page
    assert "they flatter it" in ended.out


def test_recordings_beside_shards(run: Run, place: Path, small_library: Path) -> None:
    """From the very recordings that the shards were built from, labels are the same."""
    figures, page, ended = evaluated(run, place, "beside", "--leave-out", "--recordings", str(small_library))
    assert figures["n_recordings"] == 6
    assert figures["audio_track_accuracy"] == figures["published_track_accuracy"] == figures["track_accuracy"]
    assert "- Of 6 of these tracks the recordings themselves were labelled too: " in page
    assert "6 recordings: track accuracy" in ended.out
    strange = run(
        *("evaluate", "--bundle", f"{place}/bundle", "--shards", f"{place}/shards", "--out", f"{place}/none", "--leave-out"),
        *("--recordings", f"{small_library}/broken"),
    )
    assert strange.code == 2
    assert "none of the 6 recordings" in strange.err


def test_folds_of_one_network_go_on(run: Run, place: Path, tmp_path: Path) -> None:
    (tmp_path / "short.toml").write_text("epochs = 1\nbatch_size = 8\n")
    arguments = ("evaluate", "--shards", f"{place}/shards", "--out", f"{place}/folds", "--folds", "2", "--seeds", "2")
    arguments += ("--network", "compact", "--recipe", f"{tmp_path}/short.toml")
    ended = run(*arguments)
    assert ended.code == 0, ended.err
    figures = json.loads((place / "folds" / "evaluation.json").read_text())
    assert (figures["n_tracks"], figures["folds"], figures["seeds"]) == (SONGS, 2, 2)
    assert (figures["networks"], figures["bundle_id"], figures["includes_training_tracks"]) == (["compact"], None, False)
    assert figures["repeats"]["n_repeats"] == 2
    page = (place / "folds" / "evaluation.md").read_text()
    assert "one of 2 that were trained without a fold each" in page
    assert "## What another seed changes" in page
    assert f"2 seeds: track accuracy {figures['repeats']['track_accuracy']['mean']:.3f} ±" in ended.out
    assert {file.name for file in (place / "folds").iterdir()} == PICTURES | {
        "evaluation.json",
        "evaluation.md",
        "evaluation.html",
        "folds",
    }

    stored = {file: file.stat().st_mtime_ns for file in (place / "folds" / "folds").iterdir()}
    assert len(stored) == 4
    lost = min(stored)
    lost.unlink()
    again = run(*arguments)
    assert "going on: 3 of 4 folds are finished" in again.err
    assert json.loads((place / "folds" / "evaluation.json").read_text()) == figures, "a fold is the same whenever it is trained"
    assert all(file.stat().st_mtime_ns == at for file, at in stored.items() if file != lost)


def test_folds_by_the_recipe_of_the_bundle_that_is_given(run: Run, place: Path, bundle: Bundle) -> None:
    figures, page, _ = evaluated(run, place, "as made", "--folds", "2")
    assert (figures["bundle_id"], figures["networks"], figures["seeds"]) == (bundle.bundle_id, ["compact"], 1)
    assert f"The recipes are those of bundle `{bundle.bundle_id}`; its own weights are not judged." in page
    assert "another seed" not in page


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"needs the real recordings in {SHARED.name}, which are not here")
def test_real_recordings_beside_published_spectrograms(run: Run, place: Path, tmp_path: Path) -> None:
    """Two genres of GTZAN: from FLAC, and from spectrograms that others drew of the same tracks."""
    gtzan = SHARED / "gtzan"
    with np.load(gtzan / "logmel_u8_128x387.npz") as published:
        recorded = {file.stem for file in (gtzan / "audio").rglob("*.flac")}
        chosen = [
            i
            for i, name in enumerate(published["name"])
            if str(name) in recorded and published["genre"][i] in ("metal", "classical")
        ]
        np.savez(tmp_path / "some.npz", **{key: published[key][chosen] for key in ("X", "name", "genre")})
    imported = run(
        *("import-spectrograms", "--spectrograms", f"{tmp_path}/some.npz", "--artists", f"{gtzan}/artists.csv"),
        *("--shards", f"{tmp_path}/shards"),
    )
    assert imported.code == 0, imported.err
    shards = segments.open_shards(f"{tmp_path}/shards")
    trained(shards, splits.split(shards.tracks, Protocol.TRACK, seed=0)).write(f"{tmp_path}/bundle")
    judged = ("evaluate", "--bundle", f"{tmp_path}/bundle", "--shards", f"{tmp_path}/shards", "--out", f"{tmp_path}/out")
    without = run(*judged, "--include-training")
    assert "stability is not measured: the shards name no recordings; --recordings URL says where they are" in without.err
    ended = run(*judged, "--include-training", "--recordings", f"{gtzan}/audio")
    assert ended.code == 0, ended.err
    figures = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert figures["n_recordings"] == figures["n_tracks"] == len(chosen)
    assert abs(figures["audio_track_accuracy"] - figures["published_track_accuracy"]) <= 2 / len(chosen)
    assert figures["published_track_accuracy"] == figures["track_accuracy"]
    assert all(found["flip_rate"] <= 0.2 for found in figures["stability"].values())
