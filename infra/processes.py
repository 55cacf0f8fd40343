"""Starting and ending processes so that none is left behind, whoever of them is killed."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Collection

import psutil

DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG
ADOPT_ORPHANS = 36  # PR_SET_CHILD_SUBREAPER
_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _prctl(option: int, value: int) -> None:
    """Linux only; elsewhere a killed supervisor leaves its services behind, and the next start names them."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def adopt_orphans() -> None:
    """Makes this process the parent of any descendant whose own parent ends, in place of init."""
    _prctl(ADOPT_ORPHANS, 1)


def die_with_parent() -> None:
    """Asks for SIGTERM when the parent ends: for the ``preexec_fn`` of a service."""
    _prctl(DIE_WITH_PARENT, signal.SIGTERM)


def end_all(processes: Collection[psutil.Process], patience: float) -> None:
    """Ends processes by SIGTERM, after `patience` seconds by SIGKILL."""
    for process in processes:
        _signal(process, signal.SIGTERM)
    _, stubborn = psutil.wait_procs(processes, timeout=patience)
    for process in stubborn:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(stubborn, timeout=patience)


def end_family(pid: int, signal_number: int, patience: float, grace: float = 10) -> None:
    """Ends a process by a signal; what then is left of it and of all its descendants by `end_all`.

    Args:
        pid: The process.
        signal_number: What asks it to stop.
        patience: Seconds that it has to stop and to take its children with it.
        grace: Seconds that each left over has between SIGTERM and SIGKILL.
    """
    try:
        process = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return
    family = _descendants(process)
    _signal(process, signal_number)
    _, stubborn = psutil.wait_procs([process], timeout=patience)
    end_all([*stubborn, *(one for one in family if one.is_running())], grace)


def end_strays(known: Collection[int], grace: float = 10) -> None:
    """Ends the children of this process that are not `known`, all at once, and then what is left of their descendants.

    They are descendants whose own parents have ended.
    """
    strays = [child for child in psutil.Process().children() if child.pid not in known]
    families = [one for stray in strays for one in _descendants(stray)]
    end_all(strays, grace)
    end_all([one for one in families if one.is_running()], grace)


def guarded(run: Callable[[], int]) -> int:
    """Runs a function in a child process, of which nothing outlives either.

    If this process is killed, the child gets SIGTERM; if the child is killed, this process ends all its descendants.
    SIGINT and SIGTERM are passed on to the child.

    Returns:
        In both processes, and in each as its exit code: what the function returned, or 128 + the signal that ended it.
    """
    adopt_orphans()
    lifeline, ours = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ours)
        os.setpgid(0, 0)  # Ctrl-C reaches this process through its parent alone
        threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()
        return run()
    os.close(lifeline)
    for number in _STOPS:
        signal.signal(number, lambda received, _: os.kill(child, received))
    _, status = os.waitpid(child, 0)
    for number in _STOPS:
        signal.signal(number, signal.SIG_IGN)  # there is no child any more, and an impatient one would leave strays
    end_strays(known=())
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _end_with(lifeline: int) -> None:
    """Ends this process when the other end of a pipe is closed."""
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _signal(process: psutil.Process, number: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)
