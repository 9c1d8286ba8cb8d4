"""What one track may cost."""

import dataclasses

import pytest

from genre_batch.errors import UsageError
from genre_batch.limits import Limits


def test_defaults():
    assert dataclasses.asdict(Limits()) == {"bytes": 2_000_000_000, "audio_s": 21_600.0, "work_s": 600.0}


@pytest.mark.parametrize("name", ["bytes", "audio_s", "work_s"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_nothing_is_no_limit(name: str, value: float):
    with pytest.raises(UsageError, match=f"the limit {name} is {value}: it must be above 0"):
        Limits(**{name: value})


def test_infinity_is_no_limit_at_all():
    assert Limits(audio_s=float("inf")).audio_s == float("inf")
