"""What the kernel says of a process: the processor time that it has taken, and its memory."""

import os
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_MIB: Final = 1024 * 1024


def cpu_s(pid: int) -> float:
    """Processor time of a process so far: of all its threads, in user and kernel mode, to a hundredth of a second."""
    after_name = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    user, kernel = after_name[11:13]  # fields 14 and 15 of proc(5)
    return (int(user) + int(kernel)) / _TICKS_PER_S


def resident_mib(pid: int) -> float:
    """Resident memory."""
    return int((_PROC / str(pid) / "statm").read_text().split()[1]) * _PAGE_BYTES / _MIB
