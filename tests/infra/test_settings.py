"""The settings: one documented example, secrets made at random, readable by their owner alone."""

import re
import stat
from pathlib import Path

import pytest

from infra.errors import StackError
from infra.settings import EXAMPLE, Settings, load_settings, make_env_file


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    path = tmp_path / ".env"
    assert make_env_file(path)
    return path


def test_first_start_makes_secrets_for_the_owner_alone(env_file: Path, tmp_path: Path):
    secrets = re.findall(r"^\w+=([0-9a-f]{40})$", env_file.read_text(), re.MULTILINE)
    empty = re.findall(r"^\w+=$", EXAMPLE.read_text(), re.MULTILINE)
    assert len(set(secrets)) == len(empty) >= 6
    assert stat.S_IMODE(env_file.stat().st_mode) == 0o600
    make_env_file(tmp_path / "other")
    assert not set(secrets) & set(re.findall(r"[0-9a-f]{40}", (tmp_path / "other").read_text()))


def test_second_start_changes_nothing(env_file: Path):
    before = env_file.read_bytes()
    assert not make_env_file(env_file)
    assert env_file.read_bytes() == before


def test_example_names_every_setting(env_file: Path):
    named = {name.lower() for name in re.findall(r"^(\w+)=", EXAMPLE.read_text(), re.MULTILINE)}
    assert set(Settings.model_fields) - {"clients"} <= named
    assert {name for name in named if name.startswith("stack_")} <= set(Settings.model_fields)


def test_addresses_follow_the_ports(env_file: Path):
    env_file.write_text(env_file.read_text().replace("STACK_MLFLOW_PORT=5000", "STACK_MLFLOW_PORT=5999"))
    assert load_settings(env_file).clients["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:5999"


def test_missing_line_has_the_examples_value(env_file: Path):
    """Also where the example's value refers to a setting that the file changes."""
    text = env_file.read_text().replace("STACK_PREFECT_PORT=4200", "STACK_PREFECT_PORT=4299")
    env_file.write_text(re.sub(r"^(PREFECT_API_URL|STACK_BUCKET)=.*\n", "", text, flags=re.MULTILINE))
    settings = load_settings(env_file)
    assert settings.stack_bucket == "scenehue"
    assert settings.clients["PREFECT_API_URL"] == "http://127.0.0.1:4299/api"


def test_callers_environment_does_not_count(env_file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-another-account")
    monkeypatch.setenv("STACK_PREFECT_PASSWORD", "of-another-server")
    settings = load_settings(env_file)
    assert settings.aws_access_key_id.get_secret_value() != "of-another-account"
    assert "another" not in settings.clients["PREFECT_API_AUTH_STRING"]


def test_clients_get_no_secret_of_the_servers(env_file: Path):
    settings = load_settings(env_file)
    for secret in (settings.stack_postgres_password, settings.stack_mlflow_secret_key):
        assert secret.get_secret_value() not in settings.clients.values()


def test_secrets_are_not_shown(env_file: Path):
    assert not re.search(r"[0-9a-f]{40}", repr(load_settings(env_file)))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("STACK_S3_PORT=99999", "STACK_S3_PORT: .*65535"),
        ("STACK_S3_PORT=many", "STACK_S3_PORT: .*integer"),
        ("AWS_SECRET_ACCESS_KEY=", "AWS_SECRET_ACCESS_KEY must not be empty"),
        ("STACK_POSTGRES_USER=Bad-Name", "STACK_POSTGRES_USER"),
    ],
)
def test_unusable_value_is_named(env_file: Path, line: str, message: str):
    with env_file.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(StackError, match=message):
        load_settings(env_file)


def test_missing_file_says_what_to_do(tmp_path: Path):
    with pytest.raises(StackError, match="make stack"):
        load_settings(tmp_path / ".env")
