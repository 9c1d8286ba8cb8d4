"""Options of `evaluate` that do not go together are told before anything is read."""

import re

import pytest

from tests.running import job

ALWAYS = ("evaluate", "--shards", "nowhere", "--out", "nowhere")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--network", "compact", "--seeds", "2"), "--seeds, --network needs --folds"),
        (("--recipe", "mine.toml"), "--recipe needs --folds"),
        (("--folds", "5", "--leave-out"), "leave out --leave-out"),
        (("--folds", "5", "--include-training", "--recordings", "songs"), "leave out --include-training, --recordings"),
        (("--folds", "5", "--recipe", "mine.toml"), "--recipe needs --network"),
        (("--folds", "1"), "--folds is at least 2"),
        (("--leave-out", "--include-training"), "take one of --leave-out and --include-training"),
        (("--no-stability", "--recordings", "songs"), "leave out --no-stability"),
        (("--folds", "5", "--network", "kompakt"), "no network 'kompakt'"),
    ],
)
def test_options_that_do_not_go_together(options: tuple[str, ...], said: str, capfd: pytest.CaptureFixture[str]):
    ended = job(capfd, *ALWAYS, *options)
    assert ended.code == 2
    assert said in re.sub(r"[\s│╭╮╰╯─]+", " ", ended.err)
