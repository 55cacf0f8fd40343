"""The services of the local stack, as one table. ``infra/compose.yaml`` holds the same for containers."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import yaml

from infra import health, postgres
from infra.errors import StackError
from infra.service import Service
from infra.settings import ROOT, Settings

PREFECT_FILE = ROOT / "prefect.yaml"
PYTHON = (sys.executable, "-m")
WORKER = "stack"


def stack(settings: Settings) -> list[Service]:
    """All services and steps, each after those that it needs."""
    s3_keys = {name: value for name, value in settings.clients.items() if name.startswith("AWS_")}
    clients = {**settings.clients, **_python_env(settings)}
    database_user = postgres.server_user()
    pool = work_pool()
    return [
        Service(
            name="postgres",
            command=(
                postgres.find_program("postgres"),
                *("-D", str(postgres.data_folder(settings)), "-p", str(settings.stack_postgres_port)),
                *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="),
            ),
            check=partial(postgres.problem_of, settings),
            port=settings.stack_postgres_port,
            port_setting="STACK_POSTGRES_PORT",
            address=f"127.0.0.1:{settings.stack_postgres_port}, user {settings.stack_postgres_user}",
            user=database_user.pw_name if database_user else None,
            stop_signal=signal.SIGINT,  # ends its connections; SIGTERM would wait for them
            patience=30,
            prepare=partial(postgres.make_cluster, settings),
        ),
        Service(
            name="databases",
            command=(*PYTHON, "infra.postgres"),
            env={**_python_env(settings), **_libpq_env(settings)},
            needs=("postgres",),
        ),
        Service(
            name="s3",
            command=(
                *(find_rclone(), "serve", "s3", str(settings.stack_folder / "s3")),
                *("--addr", f"{settings.stack_host}:{settings.stack_s3_port}", "--config", os.devnull),
            ),
            env={
                "RCLONE_AUTH_KEY": '"{AWS_ACCESS_KEY_ID},{AWS_SECRET_ACCESS_KEY}"'.format_map(s3_keys),
            },
            check=partial(health.s3_problem, settings),
            port=settings.stack_s3_port,
            port_setting="STACK_S3_PORT",
            address=f"{settings.clients['AWS_ENDPOINT_URL']}, bucket {settings.stack_bucket}",
            prepare=partial((settings.stack_folder / "s3").mkdir, parents=True, exist_ok=True, mode=0o700),
        ),
        Service(
            name="bucket",
            command=(*PYTHON, "infra.bucket", settings.stack_bucket),
            env={**_python_env(settings), **s3_keys},
            needs=("s3",),
        ),
        Service(
            name="mlflow",
            command=(*PYTHON, "mlflow", "server", "--app-name", "basic-auth"),
            env={**_python_env(settings), **s3_keys, **_mlflow_env(settings)},
            needs=("databases", "bucket"),
            check=partial(health.mlflow_problem, settings),
            port=settings.stack_mlflow_port,
            port_setting="STACK_MLFLOW_PORT",
            address=f"{settings.clients['MLFLOW_TRACKING_URI']}, user {settings.mlflow_tracking_username}",
            prepare=partial(_write_mlflow_auth, settings),
        ),
        Service(
            name="prefect",
            command=(
                *(*PYTHON, "prefect", "server", "start"),
                *("--host", settings.stack_host, "--port", str(settings.stack_prefect_port)),
            ),
            env={
                **clients,
                "PREFECT_SERVER_API_AUTH_STRING": settings.prefect_api_auth_string.get_secret_value(),
                "PREFECT_SERVER_DATABASE_CONNECTION_URL": settings.database("prefect", "postgresql+asyncpg"),
                "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
            },
            needs=("databases",),
            check=partial(health.prefect_problem, settings),
            port=settings.stack_prefect_port,
            port_setting="STACK_PREFECT_PORT",
            address=settings.clients["PREFECT_API_URL"].removesuffix("/api"),
        ),
        Service(
            name="models",
            command=(*PYTHON, "scenehue", "models", "init"),
            env=clients,
            needs=("mlflow",),
        ),
        Service(name="deployments", command=(*PYTHON, "flows.deploy"), env=clients, needs=("prefect", "bucket")),
        Service(
            name="worker",
            command=(*PYTHON, "prefect", "worker", "start", "--type", "process", "--pool", pool, "--name", WORKER),
            env=clients,
            needs=("deployments", "mlflow"),
            check=partial(health.worker_problem, settings, pool, WORKER, datetime.now(UTC)),
            address=f"work pool {pool}",
            patience=3,  # it would wait for its runs to end by themselves
        ),
    ]


def work_pool() -> str:
    """Name of the work pool that all deployments of ``prefect.yaml`` use.

    Raises:
        StackError: They name none, or several.
    """
    deployments = yaml.safe_load(PREFECT_FILE.read_text())["deployments"]
    pools = {(deployment.get("work_pool") or {}).get("name") for deployment in deployments}
    if len(pools) != 1 or not (pool := pools.pop()):
        raise StackError(f"{PREFECT_FILE}: all deployments must name one work pool, the same for all.")
    return str(pool)


def _python_env(settings: Settings) -> Mapping[str, str]:
    """What our commands and those of our libraries need."""
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PREFECT_HOME": str(settings.stack_folder / "prefect"),
        "PYTHONDONTWRITEBYTECODE": "",  # or each process would compile its libraries anew
        "PYTHONUNBUFFERED": "1",
        **{name: value for name, value in settings.clients.items() if name in ("DO_NOT_TRACK", "DVC_NO_ANALYTICS")},
    }


def _libpq_env(settings: Settings) -> Mapping[str, str]:
    return {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(settings.stack_postgres_port),
        "PGUSER": settings.stack_postgres_user,
        "PGPASSWORD": settings.stack_postgres_password.get_secret_value(),
    }


def _mlflow_env(settings: Settings) -> Mapping[str, str]:
    return {
        "MLFLOW_HOST": settings.stack_host,
        "MLFLOW_PORT": str(settings.stack_mlflow_port),
        "MLFLOW_WORKERS": str(settings.stack_mlflow_workers),
        "MLFLOW_BACKEND_STORE_URI": settings.database("mlflow"),
        "MLFLOW_ARTIFACTS_DESTINATION": f"s3://{settings.stack_bucket}/mlflow",
        "MLFLOW_SERVE_ARTIFACTS": "true",
        "MLFLOW_SERVER_ALLOWED_HOSTS": settings.stack_mlflow_hosts,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_AUTH_CONFIG_PATH": str(_mlflow_auth(settings)),
        "MLFLOW_AUTH_ADMIN_USERNAME": settings.mlflow_tracking_username,
        "MLFLOW_AUTH_ADMIN_PASSWORD": settings.mlflow_tracking_password.get_secret_value(),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": settings.stack_mlflow_secret_key.get_secret_value(),
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def _mlflow_auth(settings: Settings) -> Path:
    return settings.stack_folder / "mlflow_auth.ini"


def _write_mlflow_auth(settings: Settings) -> None:
    """What MLflow's authentication takes from a file only: where its users are, and how long a checked password holds.

    Each check costs a tenth of a second or more, and a model's upload has a hundred requests.
    """
    path = _mlflow_auth(settings)
    path.touch(mode=0o600)
    uri = settings.database("mlflow_auth").replace("%", "%%")
    path.write_text(f"[mlflow]\ndefault_permission = READ\ndatabase_uri = {uri}\nauth_cache_ttl_seconds = 60\n")


def find_rclone() -> str:
    """Path of rclone.

    Raises:
        StackError: It is not installed.
    """
    found = shutil.which("rclone", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if not found:
        raise StackError("rclone, which serves S3, was not found. `make install` installs it.")
    return found
