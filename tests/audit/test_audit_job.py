"""`audit` as a user runs it, on recordings and on shards."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import typer
from click.testing import Result
from typer.testing import CliRunner

from genre_batch.audit import notice
from genre_batch.cluster import audit as job
from genre_batch.embedded.instruments import RATE_HZ
from genre_batch.embedded.song import Manner, render
from genre_batch.errors import StoreUnreachable, UsageError
from genre_batch.front_end import GTZAN_PUBLISHED, Descriptors
from genre_batch.signal import alter, encode
from jobs.audit import audit
from jobs.config import JobCommand
from tests import rows, small_shards

app = typer.Typer()
app.command(name="audit", cls=JobCommand)(audit)
app.callback()(lambda: None)


def run(*arguments: str) -> Result:
    """`genre-batch audit ARGUMENTS`; a JobError is the result's exception."""
    return CliRunner().invoke(app, ["audit", *arguments])


def told(out: Path) -> tuple[list[tuple[str, str, str]], dict[str, Any]]:
    found = csv.DictReader(io.StringIO((out / "duplicates.csv").read_text()))
    return [(row["kind"], row["track_a"], row["track_b"]) for row in found], json.loads((out / "audit.json").read_text())


def song(genre: str, seed: int, seconds: float = 13.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return render(genre, Manner.of(rng), rng, seconds)


def flac(samples: np.ndarray, kind: str = "FLAC") -> bytes:
    return encode.libsndfile(samples, RATE_HZ, kind, "PCM_16")


def as_wav(data: bytes) -> bytes:
    """The same samples; written from floats, FLAC and WAV are rounded differently."""
    samples, rate_hz = sf.read(io.BytesIO(data), dtype="int16")
    buffer = io.BytesIO()
    sf.write(buffer, samples, rate_hz, format="WAV")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two genres with a fault of each kind."""
    folder = tmp_path_factory.mktemp("faulty")
    pop, cut = song("pop", 0), song("rock", 1)
    clipped = np.clip(4 * song("rock", 2), -1, 1)
    files = {
        "pop/one.flac": flac(pop),
        "pop/one again.wav": as_wav(flac(pop)),
        "rock/<b>one late.mp3": alter.mp3(alter.scaled(alter.offset(flac(pop), 3.0), 0.5), 128_000),
        "pop/two.flac": flac(song("pop", 3)),
        "rock/clipped.flac": flac(clipped),
        "rock/cut.wav": flac(cut, "WAV")[:400_000],
        "rock/silent.flac": flac(np.zeros(6 * RATE_HZ)),
        "rock/half silent.flac": flac(np.concatenate([cut[: 5 * RATE_HZ], np.zeros(8 * RATE_HZ)])),
        "rock/short.flac": flac(cut[: 3 * RATE_HZ]),
        "rock/letter.mp3": b"This is a letter.\n" * 50,
    }
    for name, data in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "artists.csv").write_text("track,artist\none,Ada\none again,Ada\n<b>one late,Bo\n")
    return folder


def test_a_library_is_heard_and_its_faults_are_told(ray_session: None, library: Path, tmp_path: Path):
    arguments = ("--library", str(library), "--artists", str(library / "artists.csv"), "--out", str(tmp_path))
    ended = run(*arguments)
    assert ended.exit_code == 0, ended.output
    pairs, figures = told(tmp_path)
    assert ("exact", "pop/one again.wav", "pop/one.flac") in pairs
    assert {("near", "pop/one again.wav", "rock/<b>one late.mp3"), ("near", "pop/one.flac", "rock/<b>one late.mp3")} <= set(
        pairs
    )
    assert not any("two" in name or "clipped" in name for pair in pairs for name in pair)
    faults = {check: [row["track"] for row in found] for check, found in figures["faults"].items() if found}
    assert faults["clipped"] == ["rock/clipped.flac"]
    assert faults["silent"] == ["rock/half silent.flac", "rock/silent.flac"]
    assert "rock/cut.wav" in faults["truncated"]
    assert faults["short"] == ["rock/short.flac"]
    assert faults["unreadable"] == ["rock/letter.mp3"]
    assert [pair["kind"] for pair in figures["labels"]] == ["near", "near"]
    assert [pair["kind"] for pair in figures["leakage"]["pairs"]][:2] == ["near", "near"]
    assert "10 tracks: " in ended.output
    assert f"warning: {library / 'artists.csv'} names the artists of 3 of 10 tracks\n" in ended.output
    page = (tmp_path / "audit.html").read_text()
    assert "rock/&lt;b&gt;one late.mp3" in page
    assert "<b>" not in page


def test_fail_on_ends_with_its_code_after_all_was_written(ray_session: None, library: Path, tmp_path: Path):
    ended = run("--library", str(library), "--out", str(tmp_path / "a"), "--fail-on", "short, clipped")
    assert ended.exit_code == 8
    assert "found what --fail-on names: 1 clipped track, 1 very short track" in ended.output
    assert (tmp_path / "a" / "audit.html").exists()


def test_a_missing_library_is_unreachable(ray_session: None, tmp_path: Path):
    ended = run("--library", str(tmp_path / "none"), "--out", str(tmp_path))
    assert isinstance(ended.exception, StoreUnreachable)


def test_a_split_that_cannot_be_read_is_told_before_anything_else(tmp_path: Path):
    ended = run("--library", str(tmp_path / "none"), "--out", str(tmp_path), "--split", str(tmp_path / "split.csv"))
    assert isinstance(ended.exception, UsageError)
    assert "split.csv does not exist" in str(ended.exception)


def test_a_split_of_other_tracks_is_told_before_any_is_heard(
    ray_session: None, library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "split.csv").write_text("track,part\none,train\ntwo,test\n")
    heard: list[Any] = []
    monkeypatch.setattr(job, "_of_library", lambda listed: (heard.append(rows) for rows in [listed]))
    with pytest.raises(
        UsageError, match=r"none of the 10 tracks is in this split: it has ids such as 'one', and the tracks have ids"
    ):
        job.audit(library_url=str(library), out=str(tmp_path / "out"), split=str(tmp_path / "split.csv"))
    assert (heard, (tmp_path / "out").exists()) == ([], False)


def test_a_recording_that_ends_its_process_is_told_and_its_neighbours_are_heard(
    ray_session: None, library: Path, monkeypatch: pytest.MonkeyPatch
):
    """Two tasks die with all their tracks; alone, only the culprit does."""
    listed = job.library.read(str(library / "pop"), job.Layout.TREE).tracks

    def dies(tracks: list[dict[str, Any]]) -> Any:
        import os

        if any(track["track_id"] == "two.flac" for track in tracks):
            os._exit(1)
        return job.pa.Table.from_pylist([job._heard(track) for track in tracks], job.facts.ARROW)

    monkeypatch.setattr(job, "_hear", dies)
    found = job.pa.concat_tables(job._of_library(listed)).sort_by("track_id").to_pylist()
    assert [(row["track_id"], row["refused"], row["digest"] is None) for row in found] == [
        ("one again.wav", None, False),
        ("one.flac", None, False),
        ("two.flac", "crashed", True),
    ]


def test_a_store_that_fails_a_worker_stops_the_audit(ray_session: None, library: Path, monkeypatch: pytest.MonkeyPatch):
    listed = job.library.read(str(library / "pop"), job.Layout.TREE).tracks
    monkeypatch.setattr(job, "_hear", lambda tracks: StoreUnreachable("the store is gone"))
    with pytest.raises(StoreUnreachable, match="the store is gone"):
        list(job._of_library(listed))


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Fifteen tracks; metal/0 is disco/0 again, and one was refused when they were built."""
    url = str(tmp_path_factory.mktemp("shards"))
    made = [small_shards.row(track_id, i) for track_id, n in small_shards.tracks(segments=(3,)).items() for i in range(n)]
    again = {row["segment"]: row["spectrogram"] for row in made if row["track_id"] == "disco/0"}
    for row in made:
        row["duration_s"] = 3.0
        if row["track_id"] == "metal/0":
            row["spectrogram"] = again[row["segment"]]
    small_shards.write(url, made[:24], made[24:])
    part = job.store.write_part(url, job.rejects, rows.table(job.rejects, rows.reject("metal/broken")))
    job.store.create(url, job.rejects.NAME, job.rejects.ARROW)
    job.store.commit(url, job.rejects, [part], replaced=[], run_id="run1")
    return url


def test_shards_are_audited_and_hear_of_it(ray_session: None, shards: str, tmp_path: Path):
    (tmp_path / "split.csv").write_text("track_id,part\ndisco/0,train\nmetal/0,test\n")
    ended = run("--shards", shards, "--out", str(tmp_path), "--split", str(tmp_path / "split.csv"), "--fail-on", "leakage")
    assert ended.exit_code == 8, ended.output
    assert f"warning: 2 of 15 tracks are in the split {tmp_path / 'split.csv'}: leakage is told of these alone" in ended.output
    pairs, figures = told(tmp_path)
    assert figures["leakage"]["tracks_in_split"] == 2
    assert pairs == [("exact", "disco/0", "metal/0")]
    assert (figures["tracks"], figures["seconds"], figures["version"]) == (16, 45.0, job.segments.open_shards(shards).version)
    assert figures["findings"] | {"balance": 0} == {
        **{
            "duplicates": 1,
            "labels": 1,
            "leakage": 1,
            "unreadable": 1,
            "clipped": None,
            "silent": 0,
            "truncated": 0,
            "short": 15,
        },
        "balance": 0,
    }
    assert figures["nearest_neighbour"]["tracks"] == 15
    heard = notice.findings(shards)
    assert heard is not None
    assert heard.endswith(f"1 unreadable track, 15 very short tracks: see {tmp_path}")


def test_a_split_of_none_of_the_shards_tracks_is_refused(ray_session: None, shards: str, tmp_path: Path):
    (tmp_path / "split.csv").write_text("track_id,part\ndisco.0,train\nmetal.0,test\n")
    ended = run(
        "--shards", shards, "--out", str(tmp_path / "out"), "--split", str(tmp_path / "split.csv"), "--fail-on", "leakage"
    )
    assert isinstance(ended.exception, UsageError)
    assert "none of the 15 tracks is in this split: it has ids such as 'disco.0', and the tracks have" in str(ended.exception)
    assert not (tmp_path / "out").exists()


def test_shards_of_descriptors_alone_are_refused(ray_session: None, tmp_path: Path):
    import dataclasses

    front_end = dataclasses.replace(GTZAN_PUBLISHED, spectrograms=False, descriptors=Descriptors())
    row = rows.shard("rock/a", 0, spectrogram=None, descriptors=small_shards.described("rock/a", 0))
    small_shards.write(str(tmp_path), [row], front_end=front_end)
    with pytest.raises(UsageError, match="hold no spectrograms"):
        job.audit(shards_url=str(tmp_path), out=str(tmp_path / "out"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give one of --shards and --library"),
        (("--shards", "a", "--library", "b"), "give one of --shards and --library"),
        (("--shards", "a", "--artists", "b"), "leave out --artists"),
        (("--shards", "a", "--fail-on", "clipped"), "audit the recordings with --library"),
        (("--shards", "a", "--fail-on", "loudness"), "--fail-on knows no 'loudness'"),
    ],
)
def test_what_cannot_be_asked_is_refused_at_once(arguments: tuple[str, ...], said: str):
    ended = run("--out", "x", *arguments)
    assert ended.exit_code == 2
    assert said in " ".join(ended.output.replace("│", " ").split())
