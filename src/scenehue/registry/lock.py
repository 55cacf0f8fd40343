"""A lock that all machines share which share an MLflow server: a registered model that only one can create.

Creating, renaming and deleting a registered model are single transactions in MLflow's store, and names are unique:

- To take the lock is to create the model; "already exists" means that it is held.
- Its holder keeps changing a tag. Whoever waits and sees no change for the length of a lease takes the lock for
  abandoned. No clocks are compared: each waiter measures with its own.
- An abandoned lock is renamed to a name that follows from its holder's token. That can succeed once only, so that of
  two waiters who saw the same dead holder, the slower one cannot remove the lock of the quicker one.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from mlflow.exceptions import MlflowException

from scenehue.registry.connection import RegistryError
from scenehue.registry.versions import Registry

HOLDER = "scenehue.holder"
TOKEN = "scenehue.token"
LEASE = 30.0
"""Seconds without a sign of life after which a lock is taken for abandoned."""
WAIT = 900.0
GRAVE = "{name}-abandoned-{token}"
_GRAVE_AGE = 3600.0


class LockError(RegistryError):
    """The lock is held by somebody else, or was lost."""


class Lock:
    """A lock that is held; see `held`."""

    def __init__(self, registry: Registry, name: str, lease: float) -> None:
        self.registry, self.name, self.lease = registry, name, lease
        self.token = uuid.uuid4().hex
        self._stop = threading.Event()
        self._alive_at = time.monotonic()
        self._beats = 0
        self._thread: threading.Thread | None = None

    def check(self) -> None:
        """Makes sure that the lock is still ours; call it before whatever must not happen twice.

        Raises:
            LockError: It is not, since this process could not reach the server, or did not run, for a whole lease.
        """
        with self.registry.talking():
            ours = _tags(self.registry, self.name).get(TOKEN) == self.token
        if not ours or time.monotonic() - self._alive_at > self.lease:
            raise LockError(f"the lock {self.name} was lost, since this process stood still for too long; run it again")

    def try_to_take(self) -> bool:
        """Creates the model; False when there is one."""
        tags = {HOLDER: f"{_user()} on {socket.gethostname()}, process {os.getpid()}", TOKEN: self.token}
        try:
            self.registry.client.create_registered_model(self.name, tags, "Held while models are promoted.")
        except MlflowException as error:
            if error.error_code == "RESOURCE_ALREADY_EXISTS":
                return False
            raise
        self._alive_at = time.monotonic()
        self._thread = threading.Thread(target=self._live, name=self.name, daemon=True)
        self._thread.start()
        return True

    def release(self) -> None:
        """Deletes the model, unless it may be somebody else's by now."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(self.lease)
        if time.monotonic() - self._alive_at < self.lease:
            with contextlib.suppress(MlflowException):
                if _tags(self.registry, self.name).get(TOKEN) == self.token:
                    self.registry.client.delete_registered_model(self.name)

    def _live(self) -> None:
        while not self._stop.wait(self.lease / 6):
            self._beats += 1
            began = time.monotonic()
            with contextlib.suppress(Exception):
                self.registry.client.set_registered_model_tag(self.name, _beat(self.token), str(self._beats))
                self._alive_at = began


@contextmanager
def held(
    registry: Registry, purpose: str = "promotion", wait: float = WAIT, lease: float | None = None
) -> Iterator[Lock]:
    """Holds a named lock inside the ``with`` block.

    Args:
        registry: Whose lock; it lies beside the model, named ``<model>-<purpose>-lock``.
        purpose: What it serialises.
        wait: Seconds to wait for whoever holds it.
        lease: Seconds without a sign of life after which the holder is taken for dead, the same for everybody; `LEASE`
            without it.

    Yields:
        The lock.

    Raises:
        LockError: It was held all the time; the message names the holder.
    """
    name = f"{registry.name}-{purpose}-lock"
    lock = Lock(registry, name, lease or LEASE)
    with registry.talking():
        _take(lock, wait)
    try:
        yield lock
    finally:
        lock.release()


def _take(lock: Lock, wait: float) -> None:
    give_up = time.monotonic() + wait
    seen, seen_at = None, 0.0
    while not lock.try_to_take():
        tags = _tags(lock.registry, lock.name)
        sign = (tags.get(TOKEN), tags.get(_beat(tags.get(TOKEN, ""))))
        now = time.monotonic()
        if sign != seen:
            seen, seen_at = sign, now
        elif tags and now - seen_at > lock.lease:
            _bury(lock, tags.get(TOKEN, "unknown"))
            seen = None  # whatever lies there now is watched anew
        if now > give_up:
            raise LockError(
                f"{lock.name} is held by {tags.get(HOLDER, 'somebody')}; wait until that is done, and run it again"
            )
        time.sleep(min(1.0, lock.lease / 10))


def _bury(lock: Lock, token: str) -> None:
    """Takes an abandoned lock out of the way, and removes graves so old that nobody can still be about to bury them."""
    client = lock.registry.client
    try:
        client.rename_registered_model(lock.name, GRAVE.format(name=lock.name, token=token))
    except MlflowException as error:
        if error.error_code == "PERMISSION_DENIED":  # anything else may be another waiter, who was quicker
            raise
    with contextlib.suppress(MlflowException):
        old = (time.time() - _GRAVE_AGE) * 1000
        for model in client.search_registered_models(f"name LIKE '{GRAVE.format(name=lock.name, token='%')}'"):
            if model.last_updated_timestamp < old:
                client.delete_registered_model(model.name)


def _beat(token: str) -> str:
    """The tag that a holder keeps changing: its own, so that one that wakes up late keeps no successor alive."""
    return f"scenehue.beat.{token}"


def _user() -> str:
    """Name of the user, who has none in many a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def _tags(registry: Registry, name: str) -> Mapping[str, str]:
    try:
        return dict(registry.client.get_registered_model(name).tags)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return {}
        raise
