"""The services as clients meet them: healthy, closed to strangers, their data where it should be."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import boto3
import httpx
import mlflow
import psutil
import psycopg2
import pytest
from botocore.exceptions import ClientError

from infra.settings import ROOT
from stack.local import LocalStack, local_stack


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


def test_dvc_needs_only_the_environment(stack: LocalStack, tmp_path: Path):
    """As infra/README.md tells it: neither address nor keys are in any file of the repository."""
    (tmp_path / "photo.jpg").write_bytes(b"a photograph of the test")
    for command in (
        "dvc init --no-scm --quiet",
        f"dvc remote add --local --default stack s3://{stack.settings.stack_bucket}/dvc",
        "dvc add --quiet photo.jpg",
        "dvc push --quiet",
    ):
        subprocess.run(command.split(), env=stack.env, cwd=tmp_path, check=True, timeout=90)
    digest = hashlib.md5(b"a photograph of the test").hexdigest()
    kept = s3(stack).get_object(Bucket=stack.settings.stack_bucket, Key=f"dvc/files/md5/{digest[:2]}/{digest[2:]}")
    assert kept["Body"].read() == b"a photograph of the test"
    keys = stack.settings.aws_access_key_id, stack.settings.aws_secret_access_key
    for path in (tmp_path / ".dvc").glob("config*"):
        assert not [key for key in keys if key.get_secret_value() in path.read_text()]


@pytest.mark.parametrize("name", ["s3", "mlflow", "prefect", "postgres", "worker"])
def test_a_death_is_named_and_mended(stack: LocalStack, name: str):
    """And those that need the service find it again."""
    os.kill(stack.pid(name), signal.SIGKILL)
    wait_until(lambda: f"{name}: started again" in stack.said(), stack.said)
    wait_until(lambda: not stack.problems(), stack.problems)
    assert f"{name} has died with signal SIGKILL; it is started again. The end of" in stack.said()


@pytest.mark.parametrize(
    ("name", "module", "sentence"),
    [
        ("mlflow", ("scenehue", "models", "list"), r"MLflow at http://127.0.0.1:\d+ cannot be reached"),
        ("s3", ("infra.bucket", "scenehue"), r"S3 at http://127.0.0.1:\d+: Could not connect"),
    ],
)
def test_a_service_that_is_away_is_named_to_its_clients(
    stack: LocalStack, name: str, module: tuple[str, ...], sentence: str
):
    def run() -> subprocess.CompletedProcess[str]:
        command = (sys.executable, "-m", *module)
        return subprocess.run(command, env=stack.env, cwd=ROOT, capture_output=True, text=True, timeout=120)

    with stack.down(name):
        done = run()
        assert done.returncode == 1
        assert re.search(sentence, " ".join(done.stderr.split())), done.stderr
        assert "Traceback" not in done.stderr
    assert run().returncode == 0


def test_kill_9_leaves_no_process_and_the_next_start_finds_the_data(stack: LocalStack):
    client = s3(stack)
    client.put_object(Bucket=stack.settings.stack_bucket, Key="kept", Body=b"bytes")
    before = query(stack, "prefect", "SELECT id FROM deployment ORDER BY id")
    experiments = query(stack, "mlflow", "SELECT count(*) FROM experiments")
    assert stack.process
    guard = psutil.Process(stack.process.pid)
    everything = guard.children(recursive=True)
    assert len(everything) > 8

    everything[0].kill()  # the supervisor
    _, left = psutil.wait_procs(everything, timeout=60)
    assert not left
    assert stack.process.wait(30) == 128 + signal.SIGKILL

    stack.start()
    assert stack.problems() == {}
    assert query(stack, "prefect", "SELECT id FROM deployment ORDER BY id") == before
    assert query(stack, "mlflow", "SELECT count(*) FROM experiments") == experiments
    assert client.get_object(Bucket=stack.settings.stack_bucket, Key="kept")["Body"].read() == b"bytes"


def test_a_second_stack_of_the_same_folder_is_refused(stack: LocalStack):
    command = (sys.executable, "-m", "infra", "up", "--env-file", str(stack.env_file))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "is running already" in done.stderr


def test_a_taken_port_is_said_by_whom_and_what_to_do(stack: LocalStack):
    with local_stack({"STACK_MLFLOW_PORT": str(stack.settings.stack_mlflow_port)}) as second:
        with pytest.raises(AssertionError, match=r"listens there. End what holds it, or set STACK_MLFLOW_PORT"):
            second.start()
        assert f"Port {stack.settings.stack_mlflow_port} of 127.0.0.1" in second.said()
        assert "healthy" not in second.said()


def wait_until(holds: Callable[[], bool], what: Callable[[], object], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what()
        time.sleep(0.5)
