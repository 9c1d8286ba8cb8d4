"""Submit a job to a Ray cluster, follow it, and end as it ends.

`ray job submit` ends with 0 or 1. A scheduler must tell what another try may mend from what only a person can, so this ends with the exit
code of the job itself; with 3 if the cluster cannot be reached, refuses, or has lost the job; with 75 if the job was stopped. SIGTERM and
Ctrl-C stop the job.

With --name, another start under that name follows what the first began, and submits again only what failed or was stopped: of a pod that is
started anew on another node there are never two jobs.
"""

import argparse
import os
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from itertools import count
from types import FrameType

from ray.exceptions import AuthenticationError
from ray.job_submission import JobDetails, JobStatus, JobSubmissionClient

UNREACHABLE, STOPPED_EARLY = 3, 75
LOOK_EVERY_S = 2.0
PATIENCE_S = 120.0
"""So long the cluster may be silent before it counts as lost: its head may be busy."""


def attempt(client: JobSubmissionClient, name: str, command: Sequence[str]) -> str:
    """The submission to follow: one of this name that works or has succeeded, else a new one."""
    known = {job.submission_id: job.status for job in client.list_jobs()}
    for n in count(1):
        submission = f"{name}-{n}"
        if submission not in known:
            return str(client.submit_job(entrypoint=shlex.join(command), submission_id=submission))
        if known[submission] not in (JobStatus.FAILED, JobStatus.STOPPED):
            return submission
    raise AssertionError


def follow(client: JobSubmissionClient, submission: str) -> JobDetails:
    """Print the job's log as it grows, until the job has ended. Raises OSError or RuntimeError if the cluster is silent for too long."""
    told, heard = 0, time.monotonic()
    while True:
        try:
            info, log = client.get_job_info(submission), client.get_job_logs(submission)
        except (OSError, RuntimeError):
            if time.monotonic() - heard > PATIENCE_S:
                raise
        else:
            heard = time.monotonic()
            print(log[told:], end="", flush=True)
            told = len(log)
            if info.status.is_terminal():
                return info
        time.sleep(LOOK_EVERY_S)


def stop(client: JobSubmissionClient, submission: str) -> None:
    client.stop_job(submission)
    while not client.get_job_info(submission).status.is_terminal():
        time.sleep(LOOK_EVERY_S)


def exit_code(info: JobDetails) -> int:
    if info.status is JobStatus.SUCCEEDED:
        return 0
    if info.status is JobStatus.STOPPED:
        return STOPPED_EARLY
    if info.driver_exit_code is None:
        print(f"error: the cluster has lost the job: {(info.message or '').strip()}", file=sys.stderr)
        return UNREACHABLE
    return int(info.driver_exit_code)


def run(address: str, name: str, command: Sequence[str]) -> int:
    try:
        client = JobSubmissionClient(address)
        submission = attempt(client, name, command)
        try:
            return exit_code(follow(client, submission))
        except KeyboardInterrupt:
            stop(client, submission)
            return STOPPED_EARLY
    except (OSError, RuntimeError, AuthenticationError) as error:
        print(f"error: the Ray cluster at {address}: {str(error).splitlines()[0]}", file=sys.stderr)
        return UNREACHABLE


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--address", default=os.environ.get("RAY_ADDRESS"), help="URL of the dashboard; default: RAY_ADDRESS")
    parser.add_argument("--name", default=f"job-{time.time_ns()}", help="what is followed rather than submitted twice")
    parser.add_argument(
        "--done",
        type=int,
        action="append",
        default=[],
        metavar="CODE",
        help="an exit code that counts as 0 here; may be repeated",
    )
    parser.add_argument("command", nargs="+", help="what the cluster is to run, after --")
    chosen = parser.parse_args(arguments)
    if not chosen.address:
        parser.error("where is the cluster? Give --address, or set RAY_ADDRESS")
    code = run(chosen.address, chosen.name, chosen.command)
    return 0 if code in chosen.done else code


def _interrupt(number: int, frame: FrameType | None) -> None:
    # A scheduler may say it twice; once the job is being stopped, that is all there is to do.
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    sys.exit(main())
