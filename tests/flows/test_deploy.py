"""What `python -m flows.deploy` says where it cannot go on; that it works is seen in tests/stack."""

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows import checkout, deploy


def test_a_server_that_does_not_answer_is_named_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SCENEHUE_DVC_REMOTE", raising=False)
    monkeypatch.setenv("SCENEHUE_CHECKOUT", "checkout")
    monkeypatch.setattr(checkout, "create", lambda *_: None)
    monkeypatch.setattr(checkout, "update", lambda _: "at 0123456")
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        assert deploy.main() == 1
    assert capsys.readouterr().err.startswith("Error: Prefect's server failed: ")
