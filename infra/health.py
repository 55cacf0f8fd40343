"""Whether the services answer, asked with the credentials that clients use."""

from __future__ import annotations

from datetime import UTC, datetime

import boto3
import httpx
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.errors import StackError
from infra.settings import Settings

TIMEOUT = 5.0


def s3_problem(settings: Settings) -> str | None:
    """What keeps S3 from answering; None once it does."""
    client = boto3.client(
        "s3",
        endpoint_url=settings.clients["AWS_ENDPOINT_URL"],
        region_name=settings.aws_default_region,
        aws_access_key_id=settings.aws_access_key_id.get_secret_value(),
        aws_secret_access_key=settings.aws_secret_access_key.get_secret_value(),
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=TIMEOUT, read_timeout=TIMEOUT, proxies={}),
    )
    try:
        client.list_buckets()
    except (BotoCoreError, ClientError) as error:
        return f"does not answer as it should ({error})"
    return None


def mlflow_problem(settings: Settings) -> str | None:
    """What keeps the MLflow server from answering; None once it does.

    Raises:
        StackError: It refuses the password.
    """
    auth = settings.mlflow_tracking_username, settings.mlflow_tracking_password.get_secret_value()
    url = f"{settings.clients['MLFLOW_TRACKING_URI']}/api/2.0/mlflow/experiments/get-by-name"
    try:
        answer = httpx.get(url, params={"experiment_name": "Default"}, auth=auth, timeout=TIMEOUT, trust_env=False)
    except httpx.TransportError:
        return "does not answer"
    if answer.status_code == 401:
        raise StackError(
            "MLflow refuses MLFLOW_TRACKING_USERNAME or MLFLOW_TRACKING_PASSWORD of .env: its administrator was made "
            "with others. infra/README.md says how to change a password."
        )
    return None if answer.status_code == 200 else f"answers with {answer.status_code}"


def prefect_problem(settings: Settings) -> str | None:
    """What keeps the Prefect server from answering; None once it does."""
    return _prefect(settings, "GET", "/admin/version")[0]


def worker_problem(settings: Settings, pool: str, name: str, since: datetime) -> str | None:
    """What keeps a worker from taking runs; None once it has asked the server for work since a moment."""
    problem, workers = _prefect(settings, "POST", f"/work_pools/{pool}/workers/filter", {})
    if problem or not isinstance(workers, list):
        return problem
    seen = [datetime.fromisoformat(one["last_heartbeat_time"]) for one in workers if one["name"] == name]
    if any(moment.astimezone(UTC) >= since for moment in seen):
        return None
    return f"has not shown up at the work pool {pool}"


def _prefect(settings: Settings, method: str, path: str, body: object = None) -> tuple[str | None, object]:
    user, _, password = settings.prefect_api_auth_string.get_secret_value().partition(":")
    url = settings.clients["PREFECT_API_URL"] + path
    try:
        answer = httpx.request(method, url, json=body, auth=(user, password), timeout=TIMEOUT, trust_env=False)
    except httpx.TransportError:
        return "does not answer", None
    return (None, answer.json()) if answer.status_code == 200 else (f"answers with {answer.status_code}", None)
