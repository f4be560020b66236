"""Runs a command that ends when the process that started it ends, however that happens.

``python bound.py PARENT_PID COMMAND...`` becomes COMMAND under its own process id. Only Linux can promise this;
elsewhere a launcher that is killed outright leaves its processes behind. Not a ``preexec_fn`` of the launcher,
because code between fork and exec can deadlock in a process with threads.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the line above
        sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - the launcher's own command, no shell wanted


if __name__ == "__main__":
    main()
