"""What `python -m flows.deploy` says where it cannot go on; that it works is seen in tests/stack."""

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows import checkout, deploy


@pytest.mark.usefixtures("prefect_server")
def test_a_pool_that_somebody_has_paused_stays_so_and_its_limit_is_mended() -> None:
    deploy._make_pool()
    with get_client(sync_client=True) as client:
        pool = client.read_work_pool(deploy.POOL)
        assert (pool.type, pool.concurrency_limit, pool.is_paused) == ("process", 1, False)
        client.update_work_pool(deploy.POOL, WorkPoolUpdate(is_paused=True, concurrency_limit=5))
        deploy._make_pool()
        pool = client.read_work_pool(deploy.POOL)
        assert (pool.concurrency_limit, pool.is_paused) == (1, True)


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
