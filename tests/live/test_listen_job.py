"""`listen` as people call it: in processes of their own, with pipes and signals."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.live.made import RATE_HZ, as_labelled, damaged, encoded, published, song, wav

JOB = """
import sys, typer
from genre_batch.errors import JobError
from jobs.config import JobCommand
from jobs.listen import listen
app = typer.Typer(pretty_exceptions_enable=False)
app.command(name="listen", cls=JobCommand)(listen)
app.callback()(lambda: None)
try:
    app()
except JobError as error:
    print(error, file=sys.stderr)
    sys.exit(int(error.exit_code))
"""


def begin(*arguments: str, stdin: int = subprocess.DEVNULL) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-W", "error", "-c", JOB, "listen", *arguments]
    environment = os.environ | {"COLUMNS": "300", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def run(*arguments: str, given: bytes | None = None) -> tuple[int, list[str], str]:
    job = begin(*arguments, stdin=subprocess.DEVNULL if given is None else subprocess.PIPE)
    out, err = job.communicate(given, timeout=120)
    return job.returncode, out.decode().splitlines(), err.decode()


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("songs") / "song.wav"
    path.write_bytes(wav(song("jazz")))
    return str(path)


def test_a_recording_ends_with_label_catalogs_label(recording: str):
    code, lines, err = run(recording, "--fast", "--json")
    assert (code, err) == (0, "")
    said = [json.loads(line) for line in lines]
    assert [each["t"] for each in said[:-1]] == list(range(3, 17))
    expected = as_labelled(Path(recording).read_bytes(), published())
    assert said[-1]["state"] == "ended"
    assert said[-1]["genre"] == expected.genre
    assert said[-1]["confidence"] == pytest.approx(expected.confidence, abs=1e-6)


def test_standard_input_raw_and_encoded(recording: str):
    raw = np.round(song("jazz") * 32_768).clip(-32_768, 32_767).astype("<i2")
    flac = encoded("jazz", 16.0, "flac")
    _, of_raw, err = run("-", "--rate", str(RATE_HZ), "--json", given=raw.tobytes())
    assert err == ""
    _, of_flac, err = run("-", "--json", given=flac)
    assert err == ""
    ends = [json.loads(lines[-1]) for lines in (of_raw, of_flac)]
    assert ends[0]["best_genre"] == ends[1]["best_genre"]
    assert len(of_raw) == len(of_flac) == 15


def test_a_recording_that_libsndfile_breaks_off_in_is_told_once(tmp_path: Path):
    data = damaged(encoded("jazz", 16.0, "flac"), "overwritten", 0.7)
    (tmp_path / "damaged.flac").write_bytes(data)
    code, lines, err = run(str(tmp_path / "damaged.flac"), "--fast", "--json")
    assert (code, err) == (0, "")
    said = [json.loads(line) for line in lines]
    assert [each["t"] for each in said[:-1]] == list(range(3, 17))
    assert said[-1]["confidence"] == pytest.approx(as_labelled(data, published()).confidence, abs=1e-6)


def test_standard_input_without_a_sample():
    assert run("-", "--rate", "8000", given=b"\0") == (0, ["0:00 heard: no label (empty: no samples)"], "")


def test_plays_as_fast_as_the_clock(recording: str):
    began = time.monotonic()
    job = begin(recording)
    assert job.stdout is not None
    first = job.stdout.readline().decode()
    second = job.stdout.readline().decode()
    assert time.monotonic() - began > 3.7
    assert first.startswith("0:03  warming")
    assert second.startswith("0:04  warming")
    job.send_signal(signal.SIGINT)
    out, err = job.communicate(timeout=60)
    assert (job.returncode, err) == (0, b"")
    assert " heard: " in out.decode().splitlines()[-1]


def test_a_pipe_that_stays_open_is_left_on_ctrl_c():
    job = begin("-", "--rate", "8000", "--json", stdin=subprocess.PIPE)
    assert job.stdin is not None
    assert job.stdout is not None
    job.stdin.write(np.round(song("jazz", 16.0, 8000)[: 5 * 8000] * 32_000).astype("<i2").tobytes())
    job.stdin.flush()
    assert [json.loads(job.stdout.readline())["t"] for _ in range(2)] == [3, 4]
    job.send_signal(signal.SIGINT)
    # Not communicate(): it would close standard input, and that would be the end anyhow.
    assert job.wait(60) == 0
    assert json.loads(job.stdout.read().splitlines()[-1])["state"] == "ended"
    for end in (job.stdin, job.stdout, job.stderr):
        assert end is not None
        end.close()


def test_a_reader_that_goes_away_is_no_fault(recording: str):
    job = begin(recording, "--fast", "--json")
    assert job.stdout is not None
    assert job.stderr is not None
    job.stdout.close()
    assert job.stderr.read() == b""
    assert job.wait(60) == 0
    job.stderr.close()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give a recording, or - for standard input, or --device"),
        (("a.wav", "--device", "default"), "give a recording, or -"),
        (("a.wav", "--rate", "8000"), "--rate is of raw samples on standard input"),
        (("-", "--channels", "2"), "--channels needs --rate"),
        (("-", "--fast"), "--fast is for a recording"),
        (("nowhere.wav",), "nowhere.wav cannot be read: No such file or directory"),
        (("a.wav", "--bundle", "nowhere"), "no whole bundle"),
    ],
)
def test_refused_in_one_sentence(arguments: tuple[str, ...], said: str):
    code, lines, err = run(*arguments)
    assert (code, lines) == (2, [])
    assert said in err
    assert "Traceback" not in err


def test_a_silent_recording_has_no_label(tmp_path: Path):
    (tmp_path / "silent.wav").write_bytes(wav(np.zeros(6 * RATE_HZ, np.float32)))
    code, lines, err = run(str(tmp_path / "silent.wav"), "--fast")
    assert (code, err) == (0, "")
    assert lines[-1].startswith("0:06 heard: no label (silent: ")
