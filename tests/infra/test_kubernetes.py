"""The manifests against Kubernetes' own schemas and KubeRay's, and what they promise: no secret, no root, no endless pod."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator

from genre_batch.errors import ExitCode
from tests.conftest import ROOT, SHARED
from tests.infra.versions import IMAGE, PINNED, PYTHON

FOLDER = ROOT / "infra" / "kuberay"
CRDS = SHARED / "kuberay"
KUBERNETES = ("1.31", "1.37")
"""From the release in which all that is used here is stable."""

Manifest = dict[str, Any]
FILES = {path.name: yaml.safe_load(path.read_text()) for path in sorted(FOLDER.glob("*.yaml"))}
OF_RAY = {name: manifest for name, manifest in FILES.items() if manifest["apiVersion"] == "ray.io/v1"}
CRON_JOBS = {name: manifest for name, manifest in FILES.items() if manifest["kind"] == "CronJob"}


def clusters() -> Iterator[Manifest]:
    for manifest in OF_RAY.values():
        yield manifest["spec"] if manifest["kind"] == "RayCluster" else manifest["spec"]["rayClusterSpec"]


def groups() -> Iterator[Manifest]:
    for cluster in clusters():
        yield cluster["headGroupSpec"]
        yield from cluster["workerGroupSpecs"]


def pods() -> Iterator[Manifest]:
    """Every pod template."""
    for group in groups():
        yield group["template"]
    for manifest in CRON_JOBS.values():
        yield manifest["spec"]["jobTemplate"]["spec"]["template"]


PODS = list(pods())


def test_there_are_these():
    assert {name: manifest["kind"] for name, manifest in FILES.items()} == {
        "maintain-cronjob.yaml": "CronJob",
        "nightly-cronjob.yaml": "CronJob",
        "raycluster.yaml": "RayCluster",
        "train-rayjob.yaml": "RayJob",
    }


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("name", sorted(CRON_JOBS))
def test_kubernetes_takes_the_cron_jobs(name: str, version: str):
    kubernetes_validate.validate(CRON_JOBS[name], version, strict=True)


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("pod", PODS, ids=lambda pod: pod["spec"]["containers"][0]["name"])
def test_kubernetes_takes_the_pods(pod: Manifest, version: str):
    """Those of Ray's resources too, within which a schema of KubeRay's may be laxer."""
    kubernetes_validate.validate({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, **pod}, version, strict=True)


def test_a_wrong_pod_is_refused():
    """Or the tests above could not fail."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "pod"},
        "spec": {"containers": [{"name": "a", "imagee": "b"}]},
    }
    with pytest.raises(kubernetes_validate.ValidationError, match="imagee"):
        kubernetes_validate.validate(pod, KUBERNETES[0], strict=True)


@cache
def crd(kind: str) -> Manifest:
    """KubeRay's schema of a kind, made strict: what it does not name is not allowed."""
    path = CRDS / f"ray.io_{kind.lower()}s.yaml"
    if not path.exists():
        pytest.skip(f"no CRDs of KubeRay in {CRDS}")
    (version,) = [each for each in yaml.load(path.read_text(), yaml.CSafeLoader)["spec"]["versions"] if each["name"] == "v1"]
    schema: Manifest = strict(version["schema"]["openAPIV3Schema"])
    # Kubernetes knows these by itself; the CRD leaves them open.
    schema["properties"]["metadata"] = {"type": "object"}
    return schema


def strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strict(value) for key, value in schema.items()}
    is_schema_of_an_object = isinstance(schema.get("properties"), dict) and schema.get("type") == "object"
    if is_schema_of_an_object and not schema.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    return made


@pytest.mark.parametrize("name", sorted(OF_RAY))
def test_kuberay_takes_its_resources(name: str):
    manifest = OF_RAY[name]
    errors = [
        f"{error.json_path}: {error.message}" for error in Draft202012Validator(crd(manifest["kind"])).iter_errors(manifest)
    ]
    assert errors == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "autoscaling"), True),
        (("spec", "headGroupSpec", "template", "spec", "restartpolicy"), "Never"),
        (("spec", "authOptions", "mode"), "tokens"),
        (("spec", "rayVersion"), 2.6),
    ],
)
def test_a_wrong_cluster_is_refused(path: tuple[str, ...], value: object):
    manifest = json.loads(json.dumps(OF_RAY["raycluster.yaml"]))
    place = manifest
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert not Draft202012Validator(crd("RayCluster")).is_valid(manifest)


def test_versions_are_those_of_the_project():
    assert {cluster["rayVersion"] for cluster in clusters()} == {PINNED["ray"]}
    images = {container["image"] for pod in PODS for container in pod["spec"]["containers"]}
    assert images == {IMAGE, f"{IMAGE}-gpu"}
    assert PYTHON == "3.11"


def test_ray_asks_for_a_token_from_a_secret():
    for cluster in clusters():
        assert cluster["authOptions"] == {"mode": "token", "secretName": "genre-batch-ray-token"}
    (submit,) = containers("submit")
    (token,) = [each for each in submit["env"] if each["name"] == "RAY_AUTH_TOKEN"]
    # The key that KubeRay reads.
    assert token["valueFrom"] == {"secretKeyRef": {"name": "genre-batch-ray-token", "key": "auth_token"}}


def containers(name: str) -> list[Manifest]:
    return [each for pod in PODS for each in pod["spec"]["containers"] if each["name"] == name]


@pytest.mark.parametrize("pod", PODS, ids=lambda pod: pod["spec"]["containers"][0]["name"])
def test_secrets_are_named_and_never_written(pod: Manifest):
    for container in pod["spec"]["containers"]:
        for variable in container.get("env", []):
            if re.search("KEY|TOKEN|SECRET|PASSWORD", variable["name"]):
                assert set(variable) == {"name", "valueFrom"}
                assert "secretKeyRef" in variable["valueFrom"]


@pytest.mark.parametrize("path", sorted((ROOT / "infra").rglob("*.yaml")), ids=lambda path: path.name)
def test_nothing_that_looks_like_a_secret(path: Path):
    assert not re.findall(r"AKIA[0-9A-Z]{16}|(?=[A-Za-z/+]*[0-9])[A-Za-z0-9/+]{40,}|-----BEGIN|kind: Secret", path.read_text())


@pytest.mark.parametrize("pod", PODS, ids=lambda pod: pod["spec"]["containers"][0]["name"])
def test_nobody_is_root(pod: Manifest):
    whole = pod["spec"]["securityContext"]
    assert whole["runAsNonRoot"] is True
    assert whole["runAsUser"] == 1000
    assert whole["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["spec"]["containers"]:
        assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        assert set(container["resources"]["requests"]) >= {"cpu", "memory"}
        # More memory than was asked for is what a node takes back first.
        assert container["resources"]["limits"]["memory"] == container["resources"]["requests"]["memory"]


def test_ray_pods_say_when_they_are_ready():
    for container in containers("ray-head") + containers("ray-worker"):
        assert container["readinessProbe"]["httpGet"] == {"path": "/api/healthz", "port": 52365}
        assert container["livenessProbe"]["httpGet"] == {"path": "/api/healthz", "port": 52365}


def test_the_head_does_no_tracks_and_stays_while_workers_come_and_go():
    cluster = OF_RAY["raycluster.yaml"]["spec"]
    assert cluster["enableInTreeAutoscaling"] is True
    head, (workers,) = cluster["headGroupSpec"], cluster["workerGroupSpecs"]
    assert head["rayStartParams"]["num-cpus"] == "0"
    assert head["template"]["metadata"]["annotations"]["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"
    assert (workers["minReplicas"], workers["maxReplicas"]) == (0, 8)
    preferred = workers["template"]["spec"]["affinity"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert all("spot" in str(each["preference"]).lower() for each in preferred)


def test_a_gpu_for_each_worker_of_the_training():
    job = OF_RAY["train-rayjob.yaml"]["spec"]
    (workers,) = job["rayClusterSpec"]["workerGroupSpecs"]
    (gpus,) = {container["resources"]["limits"]["nvidia.com/gpu"] for container in workers["template"]["spec"]["containers"]}
    assert workers["replicas"] == workers["minReplicas"] == workers["maxReplicas"]
    assert re.findall(r"--workers (\d+)", job["entrypoint"]) == [str(workers["replicas"] * gpus)]
    assert job["shutdownAfterJobFinishes"] is True


def test_one_night_at_a_time():
    night = CRON_JOBS["nightly-cronjob.yaml"]["spec"]
    assert night["concurrencyPolicy"] == "Forbid"
    (submit,) = containers("submit")
    (minutes,) = [int(each.split("=")[1]) for each in submit["args"] if each.startswith("--max-minutes=")]
    # Half an hour for machines to come and for the last commit.
    assert night["jobTemplate"]["spec"]["activeDeadlineSeconds"] >= (minutes + 30) * 60
    assert night["jobTemplate"]["spec"]["backoffLimit"] > 0


def test_what_another_try_may_mend_is_tried_again():
    """Of each exit code of ours: it ends the night, counts as done, or is tried again."""
    of_defect = 1
    for name in CRON_JOBS:
        spec = CRON_JOBS[name]["spec"]["jobTemplate"]["spec"]
        (container,) = spec["template"]["spec"]["containers"]
        (final,) = [rule["onExitCodes"] for rule in spec["podFailurePolicy"]["rules"] if rule["action"] == "FailJob"]
        assert final["containerName"] == container["name"]
        assert spec["template"]["spec"]["restartPolicy"] == "Never"  # as a podFailurePolicy must have it
        again = {ExitCode.UNREACHABLE, ExitCode.HELD}
        assert not again & set(final["values"])
        assert {of_defect, ExitCode.USAGE, ExitCode.TOO_MANY_REJECTS, ExitCode.CONTRACT} <= set(final["values"])
    command = containers("submit")[0]["command"]
    assert command[command.index("--done") + 1] == str(ExitCode.STOPPED_EARLY.value)


def test_the_submitter_calls_the_cluster_of_the_manifest():
    (address,) = [each["value"] for each in containers("submit")[0]["env"] if each["name"] == "RAY_ADDRESS"]
    # How KubeRay names the service of a head.
    assert address == f"http://{OF_RAY['raycluster.yaml']['metadata']['name']}-head-svc:8265"
