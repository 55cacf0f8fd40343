"""Ray's workers of this process, to be killed."""

import os
import signal

import psutil

from scenehue.cluster import Cluster

_AGENTS = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")


def kill_workers() -> list[int]:
    """Kills them all; others take their place."""
    children = psutil.Process().children(recursive=True)
    names = {child.pid: " ".join(child.cmdline()).strip() for child in children if child.is_running()}
    pids = [pid for pid, name in names.items() if name.startswith("ray::") and not name.startswith(_AGENTS)]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    return pids


def kill_workers_in_mid_run(monkeypatch) -> list[int]:
    """Kills all workers once, after the first result; the pids are in the list afterwards."""
    killed: list[int] = []

    def watched(self, *arguments, original=Cluster.map, **keywords):
        for found in original(self, *arguments, **keywords):
            if not killed:
                killed.extend(kill_workers())
            yield found

    monkeypatch.setattr(Cluster, "map", watched)
    return killed
