"""Options by flag, by environment variable `GENRE_BATCH_*`, or from a TOML file (`--config`), in that order.

Keys at the top of the file hold for every job that has such an option; those in a table named after a job for that job only.
"""

import os
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

PREFIX = "GENRE_BATCH_"


class JobCommand(TyperCommand):
    """A job: every option has its environment variable."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for option in self.params:
            if isinstance(option, TyperOption) and option.name and option.name != "help":
                option.envvar = PREFIX + option.name.upper()


def option_names(command: Any) -> set[str]:
    return {option.name for option in command.params if option.name not in ("help", "config")}


def commands_of(context: Any) -> dict[str, Any]:
    """All jobs by name, from the context of the app."""
    assert isinstance(context.command, TyperGroup)
    return dict(context.command.commands)


def check_environment(commands: dict[str, Any], also: tuple[str, ...] = ()) -> None:
    """Raises BadParameter for a variable GENRE_BATCH_* that no job has an option for; also: options of the app itself."""
    known = {PREFIX + name.upper() for command in commands.values() for name in option_names(command)}
    known |= {PREFIX + name.upper() for name in ("config", *also)}
    for variable in os.environ:
        if variable.startswith(PREFIX):
            _refuse_unknown("environment variable", variable, known)


def read(context: typer.Context, path: str | None) -> None:
    """Fill in what neither flag nor variable gives. Raises BadParameter for a file or key that is not right."""
    if not path:
        return
    try:
        content = tomllib.loads(Path(path).read_text())
    except OSError as error:
        raise typer.BadParameter(f"{path} cannot be read: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise typer.BadParameter(f"{path} is no TOML: {error}") from error
    parent = context.parent
    assert parent is not None
    commands = commands_of(parent)
    everywhere = {name for command in commands.values() for name in option_names(command)}
    mine = option_names(context.command)
    values: dict[str, Any] = {}
    for key, value in content.items():
        name = key.replace("-", "_")
        if isinstance(value, dict):
            _refuse_unknown("job", key, set(commands))
            for inner in value:
                _refuse_unknown(f"option of {key}", inner.replace("-", "_"), option_names(commands[key]))
        else:
            _refuse_unknown("option", name, everywhere)
            if name in mine:
                values[name] = value
    own = content.get(context.command.name or "", {})
    context.default_map = values | {key.replace("-", "_"): value for key, value in own.items()}


Config = Annotated[
    str | None,
    typer.Option(
        callback=read, is_eager=True, metavar="FILE", help="TOML file with options by their long names.", show_default=False
    ),
]


def _refuse_unknown(what: str, name: str, known: set[str]) -> None:
    if name not in known:
        near = get_close_matches(name, sorted(known), n=1, cutoff=0)[0]
        raise typer.BadParameter(f"there is no {what} {name!r}: did you mean {near!r}?")
