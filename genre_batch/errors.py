"""Every way a run can fail: a track at fault, the store or the caller at fault, and the exit code of each.

A track at fault raises `TrackError` and becomes a row of the rejects table. A `JobError` stops the run with its exit code
and one plain sentence. Anything else is a defect of the code and propagates.
"""

from enum import IntEnum
from typing import ClassVar

from schemas.rejects import Reason, Stage


class TrackError(Exception):
    """A track that cannot be used; `str(error)` is the detail for people, `reason` the stable code for tables."""

    reason: ClassVar[Reason]
    stage: ClassVar[Stage]


class NoGenre(TrackError):
    reason, stage = Reason.NO_GENRE, Stage.LIST


class Missing(TrackError):
    reason, stage = Reason.MISSING, Stage.READ


class Forbidden(TrackError):
    reason, stage = Reason.FORBIDDEN, Stage.READ


class TooLarge(TrackError):
    reason, stage = Reason.TOO_LARGE, Stage.READ


class Empty(TrackError):
    reason, stage = Reason.EMPTY, Stage.DECODE


class Undecodable(TrackError):
    reason, stage = Reason.UNDECODABLE, Stage.DECODE


class NotFinite(TrackError):
    reason, stage = Reason.NOT_FINITE, Stage.DECODE


class TooLong(TrackError):
    reason, stage = Reason.TOO_LONG, Stage.DECODE


class TooShort(TrackError):
    reason, stage = Reason.TOO_SHORT, Stage.SEGMENT


class Silent(TrackError):
    reason, stage = Reason.SILENT, Stage.SEGMENT


class TooSlow(TrackError):
    reason, stage = Reason.TOO_SLOW, Stage.WORK


class Crashed(TrackError):
    reason, stage = Reason.CRASHED, Stage.WORK


class ExitCode(IntEnum):
    """What a job's process ends with."""

    DONE = 0
    USAGE = 2
    UNREACHABLE = 3
    TOO_MANY_REJECTS = 4
    CONTRACT = 5
    HELD = 6
    DRIFTED = 7
    AUDIT_FAILED = 8
    STOPPED_EARLY = 75


class JobError(Exception):
    """A run that stops; the message says what was wrong with which thing, and what to do."""

    exit_code: ClassVar[ExitCode]


class UsageError(JobError):
    exit_code = ExitCode.USAGE


class StoreUnreachable(JobError):
    exit_code = ExitCode.UNREACHABLE


class TooManyRejects(JobError):
    exit_code = ExitCode.TOO_MANY_REJECTS


class ContractViolated(JobError):
    exit_code = ExitCode.CONTRACT


class TablesHeld(JobError):
    exit_code = ExitCode.HELD


class Drifted(JobError):
    """All was published; what was found differs from what is expected."""

    exit_code = ExitCode.DRIFTED


class StoppedEarly(JobError):
    """What was committed stays; the next run goes on from there."""

    exit_code = ExitCode.STOPPED_EARLY


def job_error_behind(error: BaseException) -> JobError | None:
    """The `JobError` that an error was raised from, through whatever a framework wrapped round it; None if there is none."""
    # Ray raises an error that is of the class of its `cause` too, but whose message is a whole trace.
    cause = getattr(error, "cause", None)
    if isinstance(error, JobError) and cause is None:
        return error
    behind = [cause, error.__cause__, *getattr(error, "worker_failures", {}).values()]
    return next((found for each in behind if each is not None and (found := job_error_behind(each))), None)
