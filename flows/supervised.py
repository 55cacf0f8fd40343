"""Runs a command that ends together with whoever asked for it, however that ends.

``python supervised.py COMMAND [ARGUMENT ...]``: whoever asks holds the other end of stdin and writes nothing. When that
end closes, and the kernel closes it even after ``kill -9``, the command goes with everything it has started, so that no
training is left beside the next one. Start this in a session of its own (``start_new_session=True``): its process group
is what is killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading


def _end_with_the_other_side() -> None:
    # Not through sys.stdin, whose lock would keep the interpreter from ending.
    while os.read(0, 1024):
        pass
    os.killpg(0, signal.SIGKILL)


def main(command: list[str]) -> int:
    """Runs a command to its end.

    Returns:
        Its exit status; 128 and the signal's number if a signal ended it.
    """
    threading.Thread(target=_end_with_the_other_side, daemon=True).start()
    status = subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode
    # Whatever the command has left behind would keep its output open, and the flow waiting for more of it.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
