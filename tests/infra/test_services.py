"""The table of services: order, addresses, and where secrets may be."""

import pytest

from infra.services import stack, work_pool
from infra.settings import Settings


def test_each_comes_after_those_it_needs(settings: Settings):
    seen: set[str] = set()
    for service in stack(settings):
        assert set(service.needs) <= seen, service.name
        seen.add(service.name)


def test_no_secret_is_an_argument_or_shown(settings: Settings, secrets: set[str]):
    """Arguments can be read by every user of the machine."""
    assert len(secrets) == 6
    for service in stack(settings):
        shown = (*service.command, service.address, repr(service))
        assert not [secret for secret in secrets if any(secret in text for text in shown)], service.name


def test_servers_secrets_stay_with_them(settings: Settings):
    """A run that the worker starts can read no database but through Prefect and MLflow."""
    password = settings.stack_postgres_password.get_secret_value()
    holders = {one.name for one in stack(settings) if any(password in value for value in one.env.values())}
    assert holders == {"databases", "mlflow", "prefect"}


def test_all_listen_on_the_loopback_address_alone(settings: Settings):
    services = {service.name: service for service in stack(settings)}
    assert "listen_addresses=127.0.0.1" in services["postgres"].command
    assert f"127.0.0.1:{settings.stack_s3_port}" in services["s3"].command
    assert services["mlflow"].env["MLFLOW_HOST"] == "127.0.0.1"
    assert services["prefect"].command[-4:] == ("--host", "127.0.0.1", "--port", str(settings.stack_prefect_port))


def test_every_port_can_be_set(settings: Settings):
    ports = {service.port_setting.lower(): service.port for service in stack(settings) if service.port}
    assert ports == {name: getattr(settings, name) for name in type(settings).model_fields if name.endswith("_port")}


def test_the_worker_serves_the_deployments_pool(settings: Settings):
    (worker,) = (service for service in stack(settings) if service.name == "worker")
    assert worker.command[worker.command.index("--pool") + 1] == work_pool()


@pytest.mark.parametrize("name", ["mlflow", "worker"])
def test_nothing_pickled_is_loaded(settings: Settings, name: str):
    (service,) = (one for one in stack(settings) if one.name == name)
    assert service.env["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"
