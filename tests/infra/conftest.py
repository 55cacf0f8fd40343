from pathlib import Path

import pytest

from infra import postgres
from infra.settings import Settings, load_settings, make_env_file


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Those of a first start; PostgreSQL need not be installed."""
    monkeypatch.setattr(postgres, "find_program", lambda name: f"/somewhere/{name}")
    env_file = tmp_path / ".env"
    make_env_file(env_file)
    env_file.write_text(env_file.read_text().replace("STACK_FOLDER=.stack", f"STACK_FOLDER={tmp_path / 'stack'}"))
    return load_settings(env_file)


@pytest.fixture
def secrets(settings: Settings) -> set[str]:
    return {
        value
        for name in type(settings).model_fields
        if hasattr(getattr(settings, name), "get_secret_value")
        for value in getattr(settings, name).get_secret_value().split(":")
        if value != "admin"
    }
