"""listen: the label of what is playing."""

import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from genre_batch.live.coding import Coding
from jobs import options
from jobs.config import Config

if TYPE_CHECKING:
    from genre_batch.live.show import Show
    from genre_batch.models.bundle import Bundle

PIPE = "-"


def listen(
    file: Annotated[
        str | None, typer.Argument(help="A recording, or - for standard input.", metavar="[FILE | -]", show_default=False)
    ] = None,
    bundle: options.Bundle = options.DEFAULT_BUNDLE,
    device: Annotated[
        str | None,
        typer.Option(help="Listen to a microphone: its name or number, or default.", metavar="NAME", show_default=False),
    ] = None,
    fast: Annotated[bool, typer.Option("--fast", help="A recording as fast as it goes, not as it plays.")] = False,
    rate: Annotated[
        int | None, typer.Option(help="Standard input is raw samples of so many Hz.", metavar="HZ", show_default=False)
    ] = None,
    channels: Annotated[int | None, typer.Option(help="Channels of raw samples, default 1.", min=1, show_default=False)] = None,
    format: Annotated[Coding | None, typer.Option(help="Of raw samples, default s16le.", show_default=False)] = None,
    denoise: Annotated[bool, typer.Option("--denoise", help="Subtract noise, tracked by minimum statistics.")] = False,
    json: Annotated[bool, typer.Option("--json", help="A JSON object a line.")] = False,
    config: Config = None,
) -> None:
    """Label a stream as it plays: a first answer after three seconds, then one each second, and the whole's label at its end.

    Example: genre-batch listen song.mp3 --fast
    """
    _check(file, device, fast, {"--rate": rate, "--channels": channels, "--format": format})
    from genre_batch.errors import UsageError
    from genre_batch.live import chain, microphone, sources, stop
    from genre_batch.live.forward import Forward
    from genre_batch.live.listen import listen as hear
    from genre_batch.live.pipe import Pipe
    from genre_batch.models import bundle as bundles

    loaded = bundles.load(bundle)
    if denoise and loaded.front_end.denoise:
        raise UsageError(f"bundle {bundle} denoises already: leave --denoise out")
    by = chain.DENOISE if denoise else None
    try:
        with stop.on_signal() as asked, _show(loaded, json) as show:
            pace = stop.as_played(asked) if file not in (None, PIPE) and not fast else stop.as_fast_as_it_goes(asked)
            use = partial(hear, bundle=loaded, show=Forward(show), denoise=by, wait=pace)
            if device is not None:
                ended = sources.live(microphone.hear(device, asked), use)
            elif file == PIPE:
                pipe = Pipe(sys.stdin.fileno(), asked)
                kind = sources.Raw(rate, channels or 1, format or Coding.S16LE) if rate is not None else None
                ended = sources.live(sources.raw(pipe, kind) if kind else sources.encoded(pipe), use)
            else:
                assert file is not None
                ended = sources.recording(file, loaded.front_end.block_s, use)
            show.end(ended)
    except BrokenPipeError:
        # Who reads has heard enough, as `head` does. What Python still wants to write at its end must go somewhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show(bundle: "Bundle", json: bool) -> "Show":
    from rich.console import Console

    from genre_batch.live import show

    if json:
        return show.JsonLines(bundle)
    console = Console()
    return show.Bars(bundle, console) if console.is_terminal else show.Lines(bundle)


def _check(file: str | None, device: str | None, fast: bool, of_raw: dict[str, object]) -> None:
    if (file is None) == (device is None):
        raise typer.BadParameter("give a recording, or - for standard input, or --device")
    given = [name for name, value in of_raw.items() if value is not None]
    if given and file != PIPE:
        raise typer.BadParameter(
            f"{', '.join(given)} is of raw samples on standard input: genre-batch listen - --rate HZ < FILE"
        )
    if given and "--rate" not in given:
        raise typer.BadParameter(f"{', '.join(given)} needs --rate: without it standard input is taken for encoded audio")
    if fast and file in (None, PIPE):
        raise typer.BadParameter("--fast is for a recording: what comes from elsewhere is heard as it comes")
