"""A bundle is whole and unchanged, or it is refused."""

import dataclasses
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from genre_batch.errors import StoreUnreachable, UsageError
from genre_batch.front_end import MEL, PRESETS, Denoise, FrontEnd
from genre_batch.models import bundle as bundles
from genre_batch.models import join
from genre_batch.models.bundle import Bundle, Member, ServedMember, load
from genre_batch.models.calibrate import Calibration
from genre_batch.taxonomy import Taxonomy
from tests.sample_bundle import SMALL, SPLIT, figures, sample

FILES = ("weights.safetensors", "model.onnx", "split.parquet", "MODEL_CARD.md")
ALL = (*FILES, "bundle.json", "BUNDLE_ID")

FOUND = pa.table(
    {
        "track_id": ["a", "b"],
        "genre": ["rock", "jazz"],
        "artist": pa.array(["Ada", None], pa.string()),
        "logits": pa.array([[-0.5, -1.0], [-3.0, -0.25]], pa.list_(pa.float32())),
    }
)
MEMBERS = [
    Member("crnn", ("spectrograms", "state"), {"model.onnx": b"one", "weights.safetensors": b"its weights"}),
    Member("svm", ("statistics",), {"model.skops": b"two"}),
    Member("compact", ("spectrograms",), {"model.onnx": b"three", "weights.safetensors": b"weights too"}),
]
ENSEMBLE = {"name": "ensemble", "members": MEMBERS, "join": join.mean(3, 2), "folds": FOUND}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sample().write(str(tmp_path / "bündle 1"))
    return tmp_path / "bündle 1"


def test_it_comes_back_as_it_was_written(folder: Path):
    written, found = sample(), load(str(folder))
    assert found == written
    assert found.bundle_id == written.bundle_id
    assert found.front_end == SMALL
    assert found.taxonomy == Taxonomy(("jazz", "rock"))
    assert found.calibration == Calibration(temperature=1.7, unknown_below=0.4321)
    assert found.split.equals(SPLIT)
    assert found.facts["model"] == "compact"
    assert found.facts["metrics"]["test"]["track_accuracy"] == 0.5
    assert found.facts["provenance"]["seed"] == 3
    assert (found.files["weights.safetensors"], found.files["model.onnx"]) == (b"the weights", b"the network")
    assert found.files["MODEL_CARD.md"].decode().startswith("# compact: 2 genres from audio\n")


@pytest.mark.parametrize(
    "front_end",
    [*PRESETS.values(), dataclasses.replace(MEL, denoise=Denoise(noise="minimum-statistics", floor=0.1))],
    ids=lambda front_end: front_end.name,
)
def test_every_front_end_comes_back_exactly(front_end: FrontEnd):
    assert sample(front_end=front_end).front_end == front_end


def test_the_numbers_of_a_calibration_come_back_exactly():
    calibration = Calibration(temperature=1 / 3, unknown_below=0.1 + 0.2)
    assert sample(calibration=calibration).calibration == calibration


def test_the_order_of_genres_is_kept():
    assert sample(taxonomy=Taxonomy(("rock", "jazz"))).taxonomy.genres == ("rock", "jazz")


def test_the_id_is_the_digest_of_what_describes_it(folder: Path):
    digest = hashlib.sha256((folder / "bundle.json").read_bytes()).hexdigest()
    assert (folder / "BUNDLE_ID").read_text() == digest[:16] == sample().bundle_id


def test_each_file_is_described_by_its_digest(folder: Path):
    described = json.loads((folder / "bundle.json").read_text())["files"]
    assert described == {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES}


def test_nothing_in_it_is_to_be_unpickled(folder: Path):
    assert sorted(os.listdir(folder)) == sorted(
        ["BUNDLE_ID", "MODEL_CARD.md", "bundle.json", "model.onnx", "split.parquet", "weights.safetensors"]
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"weights": b"the weight"},
        {"onnx": b"another network"},
        {"name": "other"},
        {"front_end": dataclasses.replace(SMALL, top_db=60.0)},
        {"taxonomy": Taxonomy(("rock", "jazz"))},
        {"calibration": Calibration(temperature=1.7, unknown_below=0.4322)},
        {"split": SPLIT.slice(1)},
        {"provenance": {"options": {"split": "artist"}, "split_digest": "0123", "seed": 4, "shards_version": 7}},
        {"metrics": {"valid": figures(), "test": figures(track_accuracy=0.51)}},
        {"folds": FOUND},
        {"join": join.mean(1, 2)},
        {"members": MEMBERS[:1]},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_the_id_changes_with_the_contents(changes: dict[str, Any]):
    assert sample(**changes).bundle_id != sample().bundle_id


def test_the_same_contents_have_the_same_id():
    assert sample().bundle_id == sample(split=pa.concat_tables([SPLIT]), taxonomy=Taxonomy.of(["rock", "jazz"])).bundle_id


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("how", ["appended", "flipped", "emptied", "no text"])
def test_a_changed_file_is_refused(folder: Path, name: str, how: str):
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(
        {"appended": data + b"\n", "flipped": bytes([data[0] ^ 1]) + data[1:], "emptied": b"", "no text": b"\xff\xfe" + data}[
            how
        ]
    )
    guilty = "bundle.json" if name == "BUNDLE_ID" else name
    with pytest.raises(UsageError, match=rf"bündle 1 is refused: {guilty} was changed after it was written"):
        load(str(folder))


@pytest.mark.parametrize("name", ALL)
def test_a_missing_file_is_refused(folder: Path, name: str):
    (folder / name).unlink()
    with pytest.raises(UsageError, match=rf"bündle 1 is no whole bundle: .*{name} is not there"):
        load(str(folder))


def test_files_of_two_bundles_do_not_mix(folder: Path, tmp_path: Path):
    sample(weights=b"other weights").write(str(tmp_path / "other"))
    (folder / "weights.safetensors").write_bytes((tmp_path / "other" / "weights.safetensors").read_bytes())
    with pytest.raises(UsageError, match=r"weights\.safetensors was changed"):
        load(str(folder))


def test_a_later_format_is_refused(folder: Path):
    rewrite(folder, b'"format": 3', b'"format": 4')
    with pytest.raises(UsageError, match="has format 4; this version reads format 3"):
        load(str(folder))


def test_an_older_format_is_refused(folder: Path):
    """Whatever else it holds: one model without members."""
    described = json.loads((folder / "bundle.json").read_bytes())
    del described["members"], described["join"]
    told = json.dumps(described | {"format": 2}).encode()
    (folder / "bundle.json").write_bytes(told)
    (folder / "BUNDLE_ID").write_text(hashlib.sha256(told).hexdigest()[:16])
    with pytest.raises(UsageError, match="has format 2; this version reads format 3"):
        load(str(folder))


@pytest.mark.parametrize(
    "name",
    ["../model.onnx", "2/../model.onnx", "x/model.onnx", "2/split.parquet", "2/3/model.onnx", "model.pkl", "/model.onnx"],
)
def test_only_files_of_a_bundle_are_read(folder: Path, name: str):
    rewrite(folder, b'"model.onnx":', f'"{name}":'.encode())
    with pytest.raises(UsageError, match=f"it names {re.escape(repr(name))}, which no bundle holds"):
        load(str(folder))


def rewrite(folder: Path, old: bytes, new: bytes) -> None:
    """Change bundle.json, and the id with it."""
    described = (folder / "bundle.json").read_bytes()
    assert old in described
    (folder / "bundle.json").write_bytes(described.replace(old, new))
    (folder / "BUNDLE_ID").write_text(hashlib.sha256(described.replace(old, new)).hexdigest()[:16])


def test_a_network_is_served_by_onnx_and_a_baseline_by_skops():
    served = sample().served
    assert served == ((ServedMember("model.onnx", b"the network", ("spectrograms",)),), None, SMALL)
    assert sample(**ENSEMBLE).served.members == (
        ServedMember("model.onnx", b"one", ("spectrograms", "state")),
        ServedMember("model.skops", b"two", ("statistics",)),
        ServedMember("model.onnx", b"three", ("spectrograms",)),
    )
    assert hash(sample(**ENSEMBLE).served) == hash(sample(**ENSEMBLE).served)


def test_several_members_come_back_as_they_were_written(tmp_path: Path):
    sample(**ENSEMBLE).write(str(tmp_path))
    found = load(str(tmp_path))
    assert found.members == MEMBERS
    assert found.join == join.mean(3, 2)
    assert sample().join is None
    assert (found.facts["model"], sample().members[0].model) == ("ensemble", "compact")
    lying = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert lying == {*ALL, "2/model.skops", "3/model.onnx", "3/weights.safetensors", "folds.parquet"}


def test_a_join_comes_back_exactly(tmp_path: Path):
    drawn = np.random.default_rng(0)
    labels = np.arange(40) % 2
    logits = [drawn.normal(size=(40, 2)) + 2 * np.eye(2)[labels] for _ in range(3)]
    stacked = join.stacked(logits, labels, 2)
    sample(**ENSEMBLE | {"join": stacked}).write(str(tmp_path))
    found = load(str(tmp_path)).join
    assert found == stacked
    assert found is not None
    np.testing.assert_array_equal(found(logits), stacked(logits))


def test_folds_come_back_as_they_were_written(tmp_path: Path):
    sample(folds=FOUND).write(str(tmp_path))
    found = load(str(tmp_path)).folds
    assert found is not None
    assert found.equals(FOUND)
    assert sample().folds is None


@pytest.mark.parametrize("name", ["2/model.skops", "3/model.onnx", "3/weights.safetensors", "folds.parquet"])
def test_a_changed_file_of_a_later_member_is_refused(tmp_path: Path, name: str):
    sample(**ENSEMBLE).write(str(tmp_path))
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes() + b"\n")
    with pytest.raises(UsageError, match=f"is refused: {name} was changed after it was written"):
        load(str(tmp_path))
    (tmp_path / name).unlink()
    with pytest.raises(UsageError, match=f"no whole bundle: .*{name} is not there"):
        load(str(tmp_path))


def test_members_that_changed_places_are_refused(tmp_path: Path):
    sample(**ENSEMBLE).write(str(tmp_path))
    first, third = tmp_path / "model.onnx", tmp_path / "3" / "model.onnx"
    one, three = first.read_bytes(), third.read_bytes()
    first.write_bytes(three)
    third.write_bytes(one)
    with pytest.raises(UsageError, match=r"model\.onnx was changed"):
        load(str(tmp_path))


def test_its_size_is_that_of_its_files():
    bundle = sample(**ENSEMBLE)
    assert bundle.facts["bytes"] == sum(len(data) for name, data in bundle.files.items() if name != "MODEL_CARD.md")


def test_the_bundle_that_ships_is_found_by_its_name(tmp_path: Path):
    place = Path(bundles.place("gtzan"))
    assert place.parts[-3:] == ("genre_batch", "published", "gtzan")
    assert bundles.travelling("gtzan") == "gtzan", "its path is another on each machine"
    assert bundles.place(str(tmp_path / "gtzan")) == bundles.travelling(str(tmp_path / "gtzan")) == str(tmp_path / "gtzan")


def test_the_bundle_that_ships_is_whole():
    if not Path(bundles.place("gtzan")).exists():
        pytest.skip("no bundle is shipped yet")
    shipped = load("gtzan")
    assert len(shipped.taxonomy) == 10
    assert shipped.folds is not None
    assert sum(len(data) for data in shipped.files.values()) <= 10_000_000
    assert sorted(set(shipped.split["part"].to_pylist())) == ["train"]


def test_no_bundle_at_all(tmp_path: Path):
    with pytest.raises(UsageError, match="none is no whole bundle"):
        load(str(tmp_path / "none"))


def test_a_new_bundle_takes_the_place_of_an_old_one(folder: Path):
    newer = sample(weights=b"newer")
    newer.write(str(folder))
    assert load(str(folder)) == newer


def test_a_bundle_half_written_over_an_older_one_is_refused(folder: Path):
    # A folder where the last file should go stops the writing there.
    (folder / "bundle.json").unlink()
    (folder / "bundle.json").mkdir()
    with pytest.raises(StoreUnreachable):
        sample(weights=b"newer").write(str(folder))
    assert not (folder / "BUNDLE_ID").exists()
    with pytest.raises(UsageError, match="no whole bundle"):
        load(str(folder))


def test_a_worker_on_a_cpu_needs_no_torch(folder: Path):
    code = "import sys; from genre_batch.models import bundle, scorer; bundle.load(sys.argv[1]); print('torch' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    assert ended.stdout == "False\n"


def test_equal_bundles_are_equal_and_others_are_not():
    assert sample() == sample()
    assert sample() != sample(onnx=b"x")
    assert isinstance(sample(), Bundle)


def test_bundles_that_label_alike():
    one = sample()
    assert one.labels_like(sample(provenance=one.facts["provenance"] | {"trained_at": "another day"}))
    assert one.labels_like(
        sample(calibration=dataclasses.replace(one.calibration, temperature=one.calibration.temperature + 1e-9))
    )
    whole = sample(split=SPLIT)
    assert whole.labels_like(sample(split=pa.concat_tables([SPLIT.slice(0, 1), SPLIT.slice(1)])))
    others = [
        sample(calibration=dataclasses.replace(one.calibration, temperature=2 * one.calibration.temperature)),
        sample(front_end=dataclasses.replace(one.front_end, top_db=40.0)),
        sample(split=one.split.slice(1)),
    ]
    for other in others:
        assert not one.labels_like(other)
