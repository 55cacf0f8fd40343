"""Starts services in the order of their needs, keeps them running, and stops them in reverse."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from pwd import getpwnam

from infra.errors import StackError
from infra.ports import demand_free
from infra.processes import adopt_orphans, die_with_parent, end_family, end_strays
from infra.service import Service

FOREIGN = ("AWS_", "DVC_", "MLFLOW_", "PG", "PREFECT_", "RCLONE_", "STACK_")
"""Settings of the caller that must not leak into a service."""
LOG_SIZE = 10_000_000
"""Bytes of a log from which a start begins a new one, and keeps the last as ``.log.1``."""
TAIL = 15
"""Lines of a log that are shown when its service dies."""


class Supervisor:
    """Runs services until it is told to stop.

    A file ``<folder>/down/<name>`` keeps a service stopped for as long as it is there. ``<folder>/state.json`` says
    what runs: ``{name: {"pid": ..., "since": seconds of the epoch}}``.

    Args:
        services: All of them; each after those that it needs.
        folder: For logs and state.
        host: The address that the services listen on.
        say: Shows a line to the user.
        patience: Seconds that a service has to become healthy.
    """

    def __init__(
        self, services: Sequence[Service], folder: Path, host: str, say: Callable[[str], None], patience: float = 180
    ) -> None:
        self._services = {service.name: service for service in services}
        self._folder = folder
        self._host = host
        self._say = say
        self._patience = patience
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._since: dict[str, float] = {}
        self._deaths: dict[str, list[float]] = {}
        self._stopping = threading.Event()
        for name in ("logs", "down"):
            (folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        for stale in (folder / "down").iterdir():
            stale.unlink()
        for log in (folder / "logs").glob("*.log"):
            if log.stat().st_size > LOG_SIZE:
                log.rename(log.with_suffix(".log.1"))

    def run(self, started: Callable[[], None]) -> None:
        """Starts all, calls `started`, and watches over them until SIGINT or SIGTERM; then stops all.

        Raises:
            StackError: A service does not start, or dies again and again.
        """
        adopt_orphans()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self._stopping.set())
        try:
            self._start_all()
            if not self._stopping.is_set():
                started()
            while not self._stopping.wait(0.3):
                self._watch()
        finally:
            self._stop_all()

    def _start_all(self) -> None:
        for service in self._services.values():
            if service.port:
                demand_free(self._host, service.port, service.port_setting)
        waiting, starting, ready = list(self._services.values()), dict[str, float](), set[str]()
        while (waiting or starting) and not self._stopping.is_set():
            for service in [one for one in waiting if ready.issuperset(one.needs)]:
                waiting.remove(service)
                self._start(service)
                starting[service.name] = time.monotonic()
            for name, since in list(starting.items()):
                if self._is_ready(self._services[name], time.monotonic() - since):
                    del starting[name]
                    ready.add(name)
                    self._say(f"{name}: {'done' if self._services[name].is_step else 'healthy'}")
            self._stopping.wait(0.1)

    def _start(self, service: Service) -> None:
        if service.prepare:
            service.prepare()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        loopback = ",".join(filter(None, (inherited.get("NO_PROXY"), "127.0.0.1,localhost")))
        with open(self._log(service.name), "ab") as log:
            self._running[service.name] = subprocess.Popen(
                service.command,
                env={**inherited, "NO_PROXY": loopback, "no_proxy": loopback, **service.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the supervisor alone, which stops all in order
                user=service.user,
                group=getpwnam(service.user).pw_gid if service.user else None,
                extra_groups=[] if service.user else None,
                preexec_fn=die_with_parent,
            )
        self._since[service.name] = time.time()
        self._write_state()

    def _is_ready(self, service: Service, waited: float) -> bool:
        code = self._running[service.name].poll()
        if service.is_step and code == 0:
            del self._running[service.name]
            return True
        if code is not None:
            raise StackError(f"{service.name} ended with {_exit(code)}.{self._tail(service.name)}")
        if service.check is None:  # a step takes its time
            return False
        problem = service.check()
        if problem and waited > self._patience:
            raise StackError(f"{service.name} {problem} after {waited:.0f} s.{self._tail(service.name)}")
        return problem is None

    def _watch(self) -> None:
        for name, service in self._services.items():
            wanted = not (self._folder / "down" / name).exists()
            process = self._running.get(name)
            if process and not wanted:
                self._say(f"{name}: stopped, until it is told to start")
                self._stop(service)
            elif process and (code := process.poll()) is not None:
                self._mourn(service, code)
            elif not process and wanted and not service.is_step:
                self._start(service)
                self._say(f"{name}: started again")

    def _mourn(self, service: Service, code: int) -> None:
        self._say(f"{service.name} has died with {_exit(code)}; it is started again.{self._tail(service.name)}")
        del self._running[service.name]
        end_strays([process.pid for process in self._running.values()])
        deaths = [*self._deaths.get(service.name, ()), time.monotonic()]
        self._deaths[service.name] = deaths[-3:]
        if len(deaths) > 2 and deaths[-1] - deaths[-3] < 60:
            raise StackError(f"{service.name} has died three times within a minute.{self._tail(service.name)}")
        self._write_state()

    def _stop(self, service: Service) -> None:
        process = self._running.pop(service.name)
        end_family(process.pid, service.stop_signal, service.patience)
        process.poll()
        end_strays([process.pid for process in self._running.values()])
        self._write_state()

    def _stop_all(self) -> None:
        for name, service in reversed(self._services.items()):
            if name in self._running:
                self._stop(service)
                self._say(f"{name}: stopped")

    def _write_state(self) -> None:
        state = {name: {"pid": one.pid, "since": self._since[name]} for name, one in self._running.items()}
        draft = self._folder / "state.json.new"
        draft.write_text(json.dumps(state, indent=1))
        draft.rename(self._folder / "state.json")

    def _log(self, name: str) -> Path:
        return self._folder / "logs" / f"{name}.log"

    def _tail(self, name: str) -> str:
        log = self._log(name)
        lines = log.read_text(errors="replace").splitlines()[-TAIL:]
        return "\n".join((f" The end of {log}:", *(f"    {line}" for line in lines)))


def _exit(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
