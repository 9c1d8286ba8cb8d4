"""The command lines of our own app that stand in manifests, cluster files, images and documents, and how the app reads them."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
import yaml

from jobs.__main__ import app
from tests.conftest import ROOT

INFRA = ROOT / "infra"
OPERATIONS = ROOT / "docs" / "operations.md"
SHELL_ENDS = set("|&;<>()") | {"&&", "||", ">>", "2>&1", ";;"}


@dataclass(frozen=True)
class Found:
    """One use of the app: in which file, and with which arguments."""

    where: str
    arguments: tuple[str, ...]


def in_repository() -> list[Found]:
    sources = [(path, _in_yaml(path)) for path in sorted(INFRA.rglob("*.yaml"))]
    sources += [(INFRA / "Dockerfile", _in_dockerfile(INFRA / "Dockerfile")), (OPERATIONS, _in_markdown(OPERATIONS))]
    return [
        Found(str(path.relative_to(ROOT)), uses) for path, lines in sources for words in lines for uses in uses_of_app(words)
    ]


def uses_of_app(words: list[str]) -> Iterator[tuple[str, ...]]:
    """The arguments of each `genre-batch …` and `python -m jobs …` among the words of a command line."""
    for i, word in enumerate(words):
        if i and words[i - 1] not in SHELL_ENDS | {"--"}:
            continue
        start = (
            i + 1 if Path(word).name == "genre-batch" else i + 3 if words[i : i + 3] == ["python", "-m", "jobs"] else len(words)
        )
        end = next((j for j in range(start, len(words)) if words[j] in SHELL_ENDS), len(words))
        if start < end:
            yield tuple(words[start:end])


def parsed(arguments: tuple[str, ...]) -> Any:
    """The context of the job, with its parameters; nothing is run. Raises what the app raises for what it cannot read."""
    group = typer.main.get_group(app)
    name, *rest = arguments
    return group.commands[name].make_context(name, rest, parent=group.context_class(group, info_name="genre-batch"))


def fenced(path: Path, language: str) -> list[str]:
    """The blocks of a language in a Markdown file, without the indentation of a list that they stand in."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", path.read_text(), re.MULTILINE | re.DOTALL)
    return [re.sub(f"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


def shell_lines(block: str) -> Iterator[list[str]]:
    """Each command line of a shell block in words, comments left out; a line goes on after a backslash, or within quotes."""
    pending = ""
    for line in block.replace("\\\n", " ").splitlines():
        pending = f"{pending}\n{line}" if pending else line
        try:
            words = list(_lexer(pending))
        except ValueError:
            continue
        yield words
        pending = ""
    assert not pending, f"a quotation that does not end: {pending}"


def _lexer(line: str) -> shlex.shlex:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    return lexer


def _in_markdown(path: Path) -> list[list[str]]:
    blocks = [*fenced(path, "sh"), *fenced(path, "crontab")]
    return [words for block in blocks for words in shell_lines(block)]


def _in_dockerfile(path: Path) -> list[list[str]]:
    return [json.loads(found) for found in re.findall(r"^(?:CMD|ENTRYPOINT) (\[.*\])$", path.read_text(), re.MULTILINE)]


def _in_yaml(path: Path) -> list[list[str]]:
    return [words for document in yaml.safe_load_all(path.read_text()) for words in _in_value(document)]


def _in_value(value: Any) -> Iterator[list[str]]:
    """Any string may be a command line; the command and the arguments of a container are one."""
    if isinstance(value, str):
        yield from shell_lines(value) if "jobs" in value or "genre-batch" in value else []
    elif isinstance(value, dict):
        yield [*_words(value.get("command")), *_words(value.get("args"))]
        for key, each in value.items():
            if key not in ("command", "args"):
                yield from _in_value(each)
    elif isinstance(value, list):
        for each in value:
            yield from _in_value(each)


def _words(value: Any) -> list[str]:
    return shlex.split(value) if isinstance(value, str) else list(value or [])
