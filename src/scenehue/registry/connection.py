"""The way to MLflow, and its failures as sentences that name the service."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scenehue.errors import ScenehueError, UnreachableError
from scenehue.params import Params
from scenehue.tracking.store import SQLITE, quick_failures, tracking_uri, without_secrets

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")

import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException


class RegistryError(ScenehueError):
    """The registry cannot be reached, refuses, or lacks what was asked for."""


class AwayError(RegistryError, UnreachableError):
    """The registry, or the store behind it, does not answer."""


class AccessError(RegistryError):
    """The registry wants other credentials, or grants these no such right."""


def registry_uri(params: Params, root: Path) -> str:
    """The address of the registry, which is that of the tracking store.

    Raises:
        RegistryError: Tracking is switched off.
    """
    uri = tracking_uri(params.tracking.uri, root)
    if uri is None:
        raise RegistryError("tracking.uri is null, so there is no registry; set it in params.yaml")
    return uri


def connect(uri: str, create: bool = False) -> MlflowClient:
    """A client that has had one answer, so that a server that is down is noticed within seconds.

    Args:
        uri: Absolute address.
        create: A missing SQLite store is made.

    Raises:
        AccessError: The credentials are wrong or missing.
        AwayError: Nothing answers there.
        RegistryError: There is no such SQLite store.
    """
    for chatty in ("mlflow.store.db.utils", "mlflow.store.model_registry", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    if uri.startswith(SQLITE) and not create and not Path(uri.removeprefix(SQLITE)).is_file():
        raise RegistryError(f"there is no model registry yet: {uri.removeprefix(SQLITE)} is missing; register a model")
    with failures_named(uri), quick_failures():
        client = MlflowClient(uri, uri)
        client.search_registered_models(max_results=1)
    return client


@contextmanager
def failures_named(uri: str) -> Iterator[None]:
    """Turns MLflow's exceptions into `RegistryError` and its kinds, without credentials in the text."""
    try:
        yield
    except (MlflowException, requests.RequestException) as error:
        raise _sentence(error, without_secrets(uri)) from error


def _sentence(error: Exception, where: str) -> RegistryError:
    text = without_secrets(str(error)).strip()
    status, code = _status(error, text), getattr(error, "error_code", "")
    if code in ("UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED") or status == 401:
        return AccessError(
            f"MLflow at {where} refuses these credentials (401); set MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD"
        )
    if code == "PERMISSION_DENIED" or status == 403:
        return AccessError(
            f"MLflow at {where} forbids this (403): your user lacks the right, or the server does not know the host "
            f"name that it was called by. It says: {_first_line(text)}"
        )
    unanswered = isinstance(error, requests.RequestException) or "Max retries exceeded" in text
    if (status is None and unanswered) or status in (502, 503, 504):
        return AwayError(f"MLflow at {where} cannot be reached; is the server up? ({_first_line(text)})")
    if code == "TEMPORARILY_UNAVAILABLE" or status == 500:
        return AwayError(
            f"MLflow at {where} answers, and its database or the storage of its files does not: {_first_line(text)}"
        )
    return RegistryError(f"MLflow at {where} failed: {_first_line(text)}")


def _status(error: Exception, text: str) -> int | None:
    """Of the server's answer, which MLflow tells in words where the answer is no JSON; None if there was no answer."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return error.response.status_code
    told = re.search(r"(?:error code|too many) (\d{3})", text)
    return int(told[1]) if told else None


def _first_line(text: str) -> str:
    return (text.splitlines() or ["no reason given"])[0][:300]
