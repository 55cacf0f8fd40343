from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ErrorCode

from registry.kills import Killed, killed_at
from scenehue.registry.connection import AccessError
from scenehue.registry.lock import GRAVE, LockError, _bury, held
from scenehue.registry.versions import Registry

LEASE = 1.5
NAME = "scenehue-promotion-lock"


@pytest.fixture
def registry(store) -> Registry:
    return Registry(MlflowClient(store, store), store, "scenehue")


def names(registry):
    return {model.name for model in registry.client.search_registered_models()}


def test_only_one_holds_it_at_a_time(registry):
    inside, most = 0, 0

    def work():
        nonlocal inside, most
        with held(registry, lease=LEASE):
            inside += 1
            most = max(most, inside)
            time.sleep(0.05)
            inside -= 1

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert (inside, most) == (0, 1)
    assert names(registry) == set()


def test_who_waits_too_long_is_told_who_holds_it(registry):
    with held(registry, lease=LEASE), pytest.raises(LockError, match=rf"held by .*process {os.getpid()}"):  # noqa: SIM117
        with held(registry, wait=0.1, lease=LEASE):
            pass


def test_a_holder_that_lives_keeps_it_for_longer_than_a_lease(registry):
    with held(registry, lease=LEASE) as lock:
        with pytest.raises(LockError), held(registry, wait=3 * LEASE, lease=LEASE):
            pass
        lock.check()


@pytest.mark.parametrize(("code", "kind"), [("PERMISSION_DENIED", AccessError), ("INTERNAL_ERROR", LockError)])
def test_a_dead_holder_whose_lock_cannot_be_moved_is_told_and_the_server_not_pestered(
    registry, monkeypatch, code, kind
):
    registry.client.create_registered_model(NAME, {"scenehue.token": "dead"})
    asked = []

    def refuse(*names):
        asked.append(names)
        raise MlflowException("no", ErrorCode.Value(code))

    monkeypatch.setattr(registry.client, "rename_registered_model", refuse)
    with pytest.raises(kind), held(registry, wait=1, lease=0.2):
        pass
    assert 1 <= len(asked) <= 5


def test_a_user_without_a_name_may_hold_it(registry, monkeypatch):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    with held(registry, lease=LEASE):
        holder = registry.client.get_registered_model(NAME).tags["scenehue.holder"]
    assert holder.startswith(f"user {os.getuid()} on ")


def test_two_purposes_do_not_meet(registry):
    with held(registry, "promotion", lease=LEASE), held(registry, "registration", wait=0, lease=LEASE):
        assert names(registry) == {NAME, "scenehue-registration-lock"}


def test_the_lock_of_a_killed_process_is_taken_over(registry, store):
    program = f"""
import time
from mlflow import MlflowClient
from scenehue.registry.lock import held
from scenehue.registry.versions import Registry
with held(Registry(MlflowClient({store!r}, {store!r}), {store!r}, "scenehue"), lease={LEASE}):
    print("held", flush=True)
    time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert NAME in names(registry)
    started = time.monotonic()
    with held(registry, wait=30, lease=LEASE) as lock:
        lock.check()
        assert time.monotonic() - started > LEASE
    assert NAME not in names(registry)


def test_one_that_wakes_up_late_neither_goes_on_nor_disturbs_its_successor(registry):
    with contextlib.suppress(Killed), killed_at(99) as calls, held(registry, lease=LEASE) as late:
        calls.killed = True  # nothing reaches the store from here on, not even the release
        raise Killed
    with held(registry, wait=30, lease=LEASE) as successor:
        with pytest.raises(LockError, match="was lost"):
            late.check()
        late.release()
        successor.check()


def test_of_two_that_saw_a_dead_holder_the_slower_one_cannot_remove_the_lock_of_the_quicker(registry):
    with contextlib.suppress(Killed), killed_at(99) as calls, held(registry, lease=LEASE) as dead:
        calls.killed = True
        raise Killed
    with held(registry, wait=30, lease=LEASE) as quicker:
        assert GRAVE.format(name=NAME, token=dead.token) in names(registry)
        _bury(quicker, dead.token)  # as the slower one would, on what it saw
        quicker.check()
