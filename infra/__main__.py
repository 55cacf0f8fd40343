"""The stack's command line: ``python -m infra up``, and what can be asked of a running one."""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from infra.errors import StackError
from infra.processes import guarded
from infra.services import stack
from infra.settings import ROOT, Settings, load_settings, make_env_file
from infra.supervisor import Supervisor
from scenehue.errors import ScenehueError

app = typer.Typer(
    help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)
console = Console(soft_wrap=True, highlight=False, markup=False)

EnvFile = Annotated[Path, typer.Option("--env-file", help="The settings; made on the first start.")]
Name = Annotated[str, typer.Argument(help="A service's name.")]
ENV_FILE = ROOT / ".env"
PATIENCE = 180
"""Seconds that a service has to start or stop."""


@app.command()
def up(env_file: EnvFile = ENV_FILE) -> None:
    """Start all services, and run them until Ctrl-C."""
    if make_env_file(env_file):
        console.print(f"Made {env_file} with new secrets; it is yours alone to read.")
    settings = load_settings(env_file)
    settings.stack_folder.mkdir(parents=True, exist_ok=True)
    with open(settings.stack_folder / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(f"A stack is running already from {settings.stack_folder}.") from None
        code = guarded(lambda: _supervise(settings))
    raise typer.Exit(code)


@app.command()
def stop(name: Name, env_file: EnvFile = ENV_FILE) -> None:
    """Stop one service of a running stack, until `start`."""
    _tell(name, env_file, run=False)


@app.command()
def start(name: Name, env_file: EnvFile = ENV_FILE) -> None:
    """Start a service again that `stop` has stopped, and wait until it is healthy."""
    _tell(name, env_file, run=True)


def _supervise(settings: Settings) -> int:
    services = stack(settings)
    supervisor = Supervisor(services, settings.stack_folder, settings.stack_host, console.print)

    def show() -> None:
        table = Table(box=None, pad_edge=False)
        for column in ("service", "address", "log"):
            table.add_column(column, overflow="fold")
        for service in services:
            if not service.is_step:
                log = settings.stack_folder / "logs" / f"{service.name}.log"
                table.add_row(service.name, service.address, os.path.relpath(log))
        console.print(table)
        console.print("Passwords are in .env; `set -a; . ./.env; set +a` gives them to a shell. Ctrl-C stops all.")

    try:
        supervisor.run(show)
    except ScenehueError as error:
        Console(stderr=True, soft_wrap=True, highlight=False).print(f"Error: {error}", style="red", markup=False)
        return 1
    return 0


def _tell(name: str, env_file: Path, run: bool) -> None:
    """Tells the supervisor to keep a service running or stopped, and waits until it is so."""
    settings = load_settings(env_file)
    services = {service.name: service for service in stack(settings) if service.check}
    if name not in services:
        raise StackError(f"{name} is no service; there are {', '.join(services)}.")
    folder, check = settings.stack_folder, services[name].check
    if not _is_running(folder):
        raise StackError(f"No stack is running from {folder}; start it by `make stack`.")
    if run:
        (folder / "down" / name).unlink(missing_ok=True)
    else:
        (folder / "down" / name).touch()
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        runs = name in json.loads((folder / "state.json").read_text())
        if runs == run and not (run and check and check()):
            return
        time.sleep(0.2)
    raise StackError(f"{name} does not {'start' if run else 'stop'}; {folder / 'logs'} tells why.")


def _is_running(folder: Path) -> bool:
    """Whether a supervisor holds the lock of a folder, and has written down what runs."""
    try:
        with open(folder / "lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return (folder / "state.json").exists()
    return False


def main() -> None:
    """Runs the command line; an error that the user can mend is one message and exit code 1."""
    try:
        app()
    except ScenehueError as error:
        Console(stderr=True, soft_wrap=True, highlight=False).print(f"Error: {error}", style="red", markup=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
