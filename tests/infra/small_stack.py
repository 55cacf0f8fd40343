"""A stack of small services, for tests: ``small_stack.py FOLDER KIND MARK``, from the repository's root."""

import sys
from pathlib import Path

from infra.errors import StackError
from infra.processes import guarded
from infra.service import Service
from infra.supervisor import Supervisor

SLEEP = """
import pathlib, sys, time
print("last words of", sys.argv[1], flush=True)
pathlib.Path(sys.argv[2]).touch()
time.sleep(600)
"""
LEAVE_ORPHAN = """
import subprocess, sys
sleep = "import time; time.sleep(600)"
subprocess.Popen([sys.executable, "-c", sleep, "orphan", sys.argv[3]], start_new_session=True)
"""


def service(folder: Path, mark: str, name: str, *needs: str) -> Service:
    sign = folder / f"{name}.up"
    return Service(
        name=name,
        command=(sys.executable, "-c", SLEEP, name, str(sign), mark),
        check=lambda: None if sign.exists() else "is not up",
        env={"GREETING": "hello"},
        needs=needs,
    )


def step(mark: str, code: str) -> Service:
    return Service(name="step", command=(sys.executable, "-c", code, "step", "-", mark), needs=("first",))


def dying(mark: str) -> Service:
    code = "import time; time.sleep(.3); raise SystemExit('its reason')"
    return Service(name="dying", command=(sys.executable, "-c", code, mark), check=lambda: None)


def services(folder: Path, kind: str, mark: str) -> list[Service]:
    if kind == "dying":
        return [dying(mark)]
    codes = {"good": "", "failing": "raise SystemExit('the step's reason')", "leaving": LEAVE_ORPHAN}
    return [service(folder, mark, "first"), step(mark, codes[kind]), service(folder, mark, "second", "step")]


def main(folder: Path, kind: str, mark: str) -> int:
    def supervise() -> int:
        try:
            supervisor = Supervisor(services(folder, kind, mark), folder, "127.0.0.1", say, patience=20)
            supervisor.run(lambda: say("all started"))
        except StackError as error:
            say(str(error))
            return 1
        return 0

    return guarded(supervise)


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
