"""The real stack as a child process, on free ports and in a folder of its own."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from infra.postgres import data_folder
from infra.processes import die_with_parent
from infra.services import stack as services_of
from infra.settings import ROOT, load_settings, make_env_file

PORTS = ("STACK_POSTGRES_PORT", "STACK_S3_PORT", "STACK_MLFLOW_PORT", "STACK_PREFECT_PORT")


def free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class LocalStack:
    """Runs ``python -m infra up``; `folder` keeps its data between starts."""

    def __init__(self, folder: Path, changes: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.env_file = folder / ".env"
        self.output = folder / "output"
        make_env_file(self.env_file)
        values = {
            "STACK_FOLDER": str(folder / "stack"),
            "STACK_MLFLOW_WORKERS": "1",
            **{name: str(port) for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True)},
            **(changes or {}),
        }
        with open(self.env_file, "a") as file:
            file.writelines(f"{name}={value}\n" for name, value in values.items())
            # These refer to the ports: said again, they take over the new ones.
            file.writelines(re.findall(r"^[A-Z].*\$\{.*\n", (ROOT / ".env.example").read_text(), re.MULTILINE))
        self.settings = load_settings(self.env_file)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def env(self) -> dict[str, str]:
        """The environment of a client's process: the caller's, with the stack's addresses and keys."""
        return {
            **os.environ,
            **self.settings.clients,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PREFECT_HOME": str(self.folder / "prefect_home"),
        }

    def start(self, patience: float = 420) -> None:
        command = (sys.executable, "-m", "infra", "up", "--env-file", str(self.env_file))
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, preexec_fn=die_with_parent
            )
        deadline = time.monotonic() + patience
        while "Ctrl-C stops all" not in self.said():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError(f"The stack did not start:\n{self.said()}")
            time.sleep(0.2)

    def stop(self) -> int:
        """Like Ctrl-C; returns the exit code."""
        assert self.process
        self.process.terminate()
        return self.process.wait(timeout=90)

    def said(self) -> str:
        """What it has written to its terminal."""
        return self.output.read_text() if self.output.exists() else ""

    def log(self, name: str) -> str:
        return (self.settings.stack_folder / "logs" / f"{name}.log").read_text(errors="replace")

    def pid(self, name: str) -> int:
        return json.loads((self.settings.stack_folder / "state.json").read_text())[name]["pid"]

    def control(self, verb: str, name: str) -> None:
        """``stop`` or ``start`` of one service; started, it is healthy when this returns."""
        command = (sys.executable, "-m", "infra", verb, name, "--env-file", str(self.env_file))
        subprocess.run(command, cwd=ROOT, check=True, timeout=200)

    @contextlib.contextmanager
    def down(self, name: str) -> Iterator[None]:
        """Keeps one service stopped for the block; it is healthy again afterwards."""
        self.control("stop", name)
        try:
            yield
        finally:
            self.control("start", name)

    def problems(self) -> dict[str, str]:
        """What is wrong with which service."""
        checks = {one.name: one.check for one in services_of(self.settings) if one.check and one.name != "worker"}
        return {name: problem for name, check in checks.items() if (problem := check())}


@contextlib.contextmanager
def local_stack(changes: Mapping[str, str] | None = None) -> Iterator[LocalStack]:
    """A stack that is not started yet; stopped and removed after the block."""
    folder = Path(tempfile.mkdtemp(prefix="scenehue-stack-"))
    folder.chmod(0o755)  # the user that PostgreSQL runs as must get through
    stack = LocalStack(folder, changes)
    try:
        yield stack
    finally:
        if stack.process and stack.process.poll() is None:
            stack.stop()
        shutil.rmtree(data_folder(stack.settings), ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
