"""The services as clients meet them: healthy, closed to strangers, their data where it should be."""

import subprocess
import sys

import boto3
import httpx
import mlflow
import psycopg2
import pytest
from botocore.exceptions import ClientError

from stack.local import LocalStack


def mlflow_answer(stack: LocalStack, auth: tuple[str, str] | None, **headers: str) -> int:
    url = f"{stack.settings.clients['MLFLOW_TRACKING_URI']}/api/2.0/mlflow/experiments/get-by-name"
    return httpx.get(
        url, params={"experiment_name": "Default"}, auth=auth, headers=headers, trust_env=False
    ).status_code


def s3(stack: LocalStack, **changes: str):
    settings = stack.settings
    keys = {
        "aws_access_key_id": settings.aws_access_key_id.get_secret_value(),
        "aws_secret_access_key": settings.aws_secret_access_key.get_secret_value(),
    }
    return boto3.client(
        "s3", endpoint_url=settings.clients["AWS_ENDPOINT_URL"], region_name="us-east-1", **{**keys, **changes}
    )


def query(stack: LocalStack, database: str, sql: str) -> list[tuple]:
    connection = psycopg2.connect(stack.settings.database(database))
    with connection.cursor() as cursor:
        cursor.execute(sql)
        rows = cursor.fetchall()
    connection.close()
    return rows


def test_all_are_healthy(stack: LocalStack):
    assert stack.problems() == {}
    for name, address in (("mlflow", "MLFLOW_TRACKING_URI"), ("s3", "AWS_ENDPOINT_URL")):
        assert f"{name}: healthy" in stack.said()
        assert stack.settings.clients[address] in stack.said()


def test_secrets_are_in_no_argument_and_no_log(stack: LocalStack):
    secrets = [
        getattr(stack.settings, name).get_secret_value()
        for name, field in type(stack.settings).model_fields.items()
        if "SecretStr" in str(field.annotation) and name != "prefect_api_auth_string"
    ]
    assert len(secrets) >= 6
    logs = [path.read_text(errors="replace") for path in (stack.settings.stack_folder / "logs").iterdir()]
    processes = subprocess.run(("ps", "-eo", "args"), check=True, capture_output=True, text=True).stdout
    for place in (*logs, stack.said(), processes):
        assert not [secret for secret in secrets if secret in place]


@pytest.mark.parametrize(("auth", "status"), [(None, 401), (("admin", "wrong"), 401), (("nobody", "x"), 401)])
def test_mlflow_refuses_wrong_credentials(stack: LocalStack, auth: tuple[str, str] | None, status: int):
    assert mlflow_answer(stack, auth) == status


def test_mlflow_refuses_unknown_hosts(stack: LocalStack):
    """Which guards a browser on this machine against DNS rebinding."""
    auth = "admin", stack.settings.mlflow_tracking_password.get_secret_value()
    assert mlflow_answer(stack, auth) == 200
    assert mlflow_answer(stack, auth, Host="evil.example") == 403


@pytest.mark.parametrize("changes", [{"aws_secret_access_key": "wrong"}, {"aws_access_key_id": "nobody"}])
def test_s3_refuses_wrong_keys(stack: LocalStack, changes: dict[str, str]):
    with pytest.raises(ClientError) as caught:
        s3(stack, **changes).list_objects_v2(Bucket=stack.settings.stack_bucket)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_s3_refuses_unsigned_requests(stack: LocalStack):
    url = f"{stack.settings.clients['AWS_ENDPOINT_URL']}/{stack.settings.stack_bucket}"
    assert httpx.get(url, trust_env=False).is_client_error
    assert httpx.put(f"{url}/planted", content=b"x", trust_env=False).is_client_error


def test_prefect_refuses_wrong_credentials(stack: LocalStack):
    url = f"{stack.settings.clients['PREFECT_API_URL']}/flows/count"
    password = stack.settings.stack_prefect_password.get_secret_value()
    assert httpx.post(url, auth=("admin", "wrong"), trust_env=False).status_code == 401
    assert httpx.post(url, auth=("admin", password), trust_env=False).status_code == 200


def test_postgres_refuses_a_wrong_password(stack: LocalStack):
    address = stack.settings.database("prefect").replace(
        stack.settings.stack_postgres_password.get_secret_value(), "wrong"
    )
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(address)


def test_metadata_lies_in_postgres_and_artifacts_in_s3(clients: LocalStack, tmp_path):
    photo = tmp_path / "photo.bin"
    photo.write_bytes(b"the artifact's own bytes")
    mlflow.set_tracking_uri(clients.settings.clients["MLFLOW_TRACKING_URI"])
    with mlflow.start_run() as run:
        mlflow.log_metric("psnr", 24.5)
        mlflow.log_artifact(str(photo))
    mlflow.set_tracking_uri(None)

    run_id = run.info.run_id
    assert query(clients, "mlflow", f"SELECT value FROM metrics WHERE run_uuid = '{run_id}'") == [(24.5,)]
    client = s3(clients)
    keys = [one["Key"] for one in client.list_objects_v2(Bucket=clients.settings.stack_bucket)["Contents"]]
    (key,) = [key for key in keys if run_id in key]
    assert key.startswith("mlflow/")
    body = client.get_object(Bucket=clients.settings.stack_bucket, Key=key)["Body"].read()
    assert body == photo.read_bytes()


def test_prefects_metadata_lies_in_postgres(clients: LocalStack):
    code = "from prefect import flow\n@flow(name='a-flow-of-the-test')\ndef f(): pass\nf()"
    subprocess.run((sys.executable, "-c", code), env=clients.env, cwd=clients.folder, check=True, timeout=90)
    assert query(clients, "prefect", "SELECT count(*) FROM flow WHERE name = 'a-flow-of-the-test'") == [(1,)]


@pytest.mark.parametrize("name", ["s3", "mlflow", "prefect", "postgres"])
def test_a_death_is_named_and_mended(stack: LocalStack, name: str):
    """And those that need the service find it again."""
    import os
    import signal
    import time

    os.kill(stack.pid(name), signal.SIGKILL)
    deadline = time.monotonic() + 90
    while f"{name}: started again" not in stack.said() or stack.problems():
        assert time.monotonic() < deadline, stack.problems()
        time.sleep(0.5)
    assert f"{name} has died with signal SIGKILL; it is started again. The end of" in stack.said()
