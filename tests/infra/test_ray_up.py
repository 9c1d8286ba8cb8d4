"""The file of `ray up` as Ray itself reads it."""

import copy
import warnings
from typing import Any

import pytest
import yaml
from jsonschema import ValidationError

from tests.conftest import ROOT
from tests.infra.versions import IMAGE

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from ray.autoscaler._private.util import prepare_config, validate_config

FILE = yaml.safe_load((ROOT / "infra" / "ray-up" / "cluster.yaml").read_text())


@pytest.fixture
def prepared() -> dict[str, Any]:
    """With Ray's defaults filled in, as `ray up` does before it calls the cloud."""
    return prepare_config(copy.deepcopy(FILE))


def test_ray_takes_it(prepared: dict[str, Any]):
    validate_config(prepared)


@pytest.mark.parametrize(
    "change", [{"max_worker": 3}, {"head_node_type": "heads"}, {"docker": {"imag": "x"}}, {"max_workers": -1}]
)
def test_ray_refuses_what_is_wrong(change: dict[str, Any]):
    with pytest.raises((ValidationError, ValueError, AssertionError, KeyError)):
        validate_config(prepare_config(copy.deepcopy(FILE) | change))


def test_the_defaults_add_no_commands_of_their_own(prepared: dict[str, Any]):
    """They would install another Ray."""
    assert prepared["setup_commands"] == prepared["head_setup_commands"] == prepared["worker_setup_commands"] == []
    assert prepared["head_start_ray_commands"] == FILE["head_start_ray_commands"]


def test_the_image_is_ours():
    assert FILE["docker"]["image"] == IMAGE


def test_workers_are_spot_machines_that_come_and_go():
    workers = FILE["available_node_types"]["spot"]
    assert workers["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert workers["min_workers"] == 0
    assert workers["max_workers"] == FILE["max_workers"]
    assert FILE["available_node_types"]["head"]["resources"] == {"CPU": 0}


def test_the_token_travels_as_a_file_and_the_dashboard_stays_inside():
    assert FILE["file_mounts"] == {"/home/ray/.ray/auth_token": "~/.ray/auth_token"}
    (start,) = [each for each in FILE["head_start_ray_commands"] if "ray start" in each]
    assert "--dashboard-host=127.0.0.1" in start


def test_machines_have_roles_and_encrypted_disks():
    for node in FILE["available_node_types"].values():
        assert node["node_config"]["IamInstanceProfile"]["Name"].startswith("genre-batch-")
        assert node["node_config"]["MetadataOptions"]["HttpTokens"] == "required"
        assert all(disk["Ebs"]["Encrypted"] for disk in node["node_config"]["BlockDeviceMappings"])
