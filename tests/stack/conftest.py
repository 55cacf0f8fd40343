"""One running stack for all tests of the services and the flows."""

from collections.abc import Iterator

import pytest

from stack.local import LocalStack, local_stack


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/stack" in item.path.as_posix():
            item.add_marker(pytest.mark.stack)


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalStack]:
    """PostgreSQL, S3, MLflow, Prefect and a worker, healthy. Whoever stops one of them starts it again."""
    with local_stack() as running:
        running.start()
        yield running


@pytest.fixture
def clients(stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> LocalStack:
    """The stack, with its addresses and keys in this process's own environment."""
    for name, value in stack.settings.clients.items():
        monkeypatch.setenv(name, value)
    return stack
