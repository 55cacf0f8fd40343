"""Where PostgreSQL's programs and data are; the server itself is tested in tests/stack."""

import os
import pwd
from pathlib import Path

import pytest

from infra import postgres
from infra.errors import StackError
from infra.settings import Settings


def test_what_is_not_installed_says_how_to_install_it():
    with pytest.raises(StackError, match=r"PostgreSQL's no-such-program was not found.*apt-get install postgresql"):
        postgres.find_program("no-such-program")


def test_path_goes_before_debians_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    program = tmp_path / "initdb"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert postgres.find_program("initdb") == str(program)


def test_ordinary_users_run_the_server_themselves(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert postgres.server_user() is None
    assert postgres.data_folder(settings) == settings.stack_folder / "postgres"


@pytest.mark.skipif(os.geteuid() != 0, reason="Only root can become somebody else.")
def test_roots_databases_lie_where_the_server_can_reach_them(settings: Settings, tmp_path: Path):
    user = postgres.server_user()
    assert user is not None
    assert user.pw_uid != 0
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    elsewhere = postgres.data_folder(settings.model_copy(update={"stack_folder": closed / "stack"}))
    assert elsewhere.is_relative_to(postgres.LAST_RESORT)
    assert elsewhere != postgres.data_folder(settings.model_copy(update={"stack_folder": closed / "other"}))
    open_to_all = Path("/tmp")
    assert postgres.data_folder(settings.model_copy(update={"stack_folder": open_to_all})) == open_to_all / "postgres"


def test_a_server_that_does_not_answer_is_a_sentence(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PGHOST", "127.0.0.1")
    monkeypatch.setenv("PGPORT", "9")
    with pytest.raises(StackError, match=r"PostgreSQL: .*127\.0\.0\.1.*PGPASSWORD say where it is"):
        postgres.make_databases()


def test_no_user_to_run_as(monkeypatch: pytest.MonkeyPatch):
    def nobody(name: str) -> pwd.struct_passwd:
        raise KeyError(name)

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(postgres, "getpwnam", nobody)
    with pytest.raises(StackError, match="refuses to run as root"):
        postgres.server_user()
