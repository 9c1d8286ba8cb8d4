"""Every way to fail has its code, and is found behind whatever a framework wrapped round it."""

import pytest

from genre_batch import errors
from genre_batch.errors import ExitCode, JobError, TablesHeld, TrackError, UsageError, job_error_behind
from schemas.rejects import Reason, Stage


def test_each_reason_has_one_error():
    assert sorted(kind.reason for kind in TrackError.__subclasses__()) == sorted(Reason)


def test_each_stage_has_an_error():
    assert {kind.stage for kind in TrackError.__subclasses__()} == set(Stage)


def test_the_detail_is_what_was_said():
    error = errors.TooShort("0.20 s long, 1 s are needed")
    assert str(error) == "0.20 s long, 1 s are needed"
    assert (error.reason, error.stage) == ("too_short", "segment")


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.UsageError, 2),
        (errors.StoreUnreachable, 3),
        (errors.TooManyRejects, 4),
        (errors.ContractViolated, 5),
        (errors.TablesHeld, 6),
    ],
)
def test_exit_codes_stay_what_they_are(kind: type[JobError], code: int):
    assert kind.exit_code == code


def test_each_failure_has_one_exit_code():
    codes = [kind.exit_code for kind in JobError.__subclasses__()]
    # An audit that found what it must not find has done all its work: no error of its own.
    assert sorted([ExitCode.DONE, *codes, ExitCode.AUDIT_FAILED]) == sorted(ExitCode)


class Wrapped(Exception):
    """As Ray wraps what a task raised: the error is an attribute, not `__cause__`."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__("a task failed")
        self.cause = cause


def raised_from(cause: BaseException) -> BaseException:
    error = RuntimeError("outside")
    error.__cause__ = cause
    return error


def test_a_job_error_is_found_behind_any_wrapping():
    held = TablesHeld("held by run 1")
    for error in (held, raised_from(held), Wrapped(held), raised_from(Wrapped(raised_from(Wrapped(held))))):
        assert job_error_behind(error) is held


class WrappedHeld(Wrapped, TablesHeld):
    """As Ray raises what a task raised: of its class as well, with a whole trace for its message."""


def test_the_error_itself_speaks_not_its_wrapping_of_the_same_class():
    held = TablesHeld("held by run 1")
    assert job_error_behind(WrappedHeld(held)) is held


def test_a_job_error_of_one_of_several_workers_is_found():
    held, failed = TablesHeld("held by run 1"), RuntimeError("two workers failed")
    failed.worker_failures = {0: KeyError("x"), 1: Wrapped(held)}  # type: ignore[attr-defined]
    assert job_error_behind(raised_from(failed)) is held


def test_the_outermost_job_error_speaks():
    inner = UsageError("inner")
    outer = TablesHeld("outer")
    outer.__cause__ = inner
    assert job_error_behind(raised_from(outer)) is outer


def test_a_defect_of_the_code_is_no_job_error():
    assert job_error_behind(raised_from(KeyError("x"))) is None


def test_an_error_while_handling_a_job_error_is_a_defect():
    defect = KeyError("x")
    defect.__context__ = UsageError("bad option")
    assert job_error_behind(defect) is None
