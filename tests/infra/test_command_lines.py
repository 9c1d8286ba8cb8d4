"""Every command line of ours in infra/ and docs/operations.md is one that our own app takes."""

import os
from pathlib import Path

import pytest

from tests.infra import command_lines
from tests.infra.command_lines import OPERATIONS, Found, fenced, shell_lines, uses_of_app

FOUND = command_lines.in_repository()


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("GENRE_BATCH_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The TOML file that the document tells people to write."""
    (content,) = fenced(OPERATIONS, "toml")
    path = tmp_path_factory.mktemp("configuration") / "nightly.toml"
    assert content.startswith(f"# {path.name}\n")
    path.write_text(content)
    return path


@pytest.mark.parametrize("found", FOUND, ids=lambda found: f"{found.where}: {' '.join(found.arguments)}"[:120])
def test_the_app_takes_it(found: Found, configuration: Path):
    if found.arguments == ("--help",):
        return
    arguments = tuple(str(configuration) if word.endswith(configuration.name) else word for word in found.arguments)
    assert command_lines.parsed(arguments).params


def test_all_places_are_read():
    by_place = {where: [each.arguments[0] for each in FOUND if each.where == where] for where in {each.where for each in FOUND}}
    assert by_place["infra/kuberay/nightly-cronjob.yaml"] == ["label-catalog"]
    assert by_place["infra/kuberay/maintain-cronjob.yaml"] == ["maintain"]
    assert by_place["infra/kuberay/train-rayjob.yaml"] == ["train-network"]
    assert by_place["infra/Dockerfile"] == ["--help"]
    assert {"label-catalog", "query", "maintain"} == set(by_place["docs/operations.md"])


def test_what_a_manifest_says_is_what_the_app_reads():
    (nightly,) = [each for each in FOUND if each.where == "infra/kuberay/nightly-cronjob.yaml"]
    read = command_lines.parsed(nightly.arguments).params
    assert read["library"] == "s3://YOUR-BUCKET/catalog"
    assert read["max_minutes"] == 420
    assert read["commit_every"] == "30s"


def test_a_shell_block_in_words():
    block = "a 'b c'  # not d\ne \\\n  f | g > h\ni \"j\n k\"\n"
    assert list(shell_lines(block)) == [["a", "b c"], ["e", "f", "|", "g", ">", "h"], ["i", "j\n k"]]


def test_uses_of_the_app_end_where_the_shell_goes_on():
    words = ["x", "&&", "/opt/bin/genre-batch", "query", "SQL", "||", "y", "--", "python", "-m", "jobs", "demo", ";", "z"]
    assert list(uses_of_app(words)) == [("query", "SQL"), ("demo",)]


@pytest.mark.parametrize(
    "arguments", [("label-catalog", "--library", "x"), ("query", "--tables", "x", "--fromat", "csv", "SQL")]
)
def test_a_wrong_line_is_found(arguments: tuple[str, ...]):
    """Or the tests above could not fail."""
    with pytest.raises(Exception, match=r"Missing parameter|No such option"):
        command_lines.parsed(arguments)
