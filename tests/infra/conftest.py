from pathlib import Path

import pytest

from infra import postgres
from infra.settings import Settings, load_settings, make_env_file


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Those of a first start; PostgreSQL need not be installed."""
    monkeypatch.setattr(postgres, "find_program", lambda name: f"/somewhere/{name}")
    make_env_file(tmp_path / ".env")
    return load_settings(tmp_path / ".env")


@pytest.fixture
def secrets(settings: Settings) -> set[str]:
    return {
        value
        for name in type(settings).model_fields
        if hasattr(getattr(settings, name), "get_secret_value")
        for value in getattr(settings, name).get_secret_value().split(":")
        if value != "admin"
    }
