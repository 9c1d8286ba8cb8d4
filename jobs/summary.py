"""What a job prints when it is done."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genre_batch.cluster.run import Summary


def accounts(job: str, done: str, summary: "Summary", where: str) -> str:
    """The accounting equation of a run, in words."""
    remaining = f" + {summary.remaining} remaining" if summary.remaining else ""
    gone = f"{summary.deleted} are gone from the library; " if summary.deleted else ""
    return (
        f"{job} {summary.run_id}: {summary.listed} listed = {summary.done} {done} + {summary.rejected} rejected "
        f"+ {summary.unchanged} unchanged{remaining}; {gone}{summary.not_audio} objects are no audio; "
        f"{summary.audio_s / 3600:.2f} h of audio; tables in {where}"
    )
