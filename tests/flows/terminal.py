"""A pseudo-terminal in which a command runs in the foreground, as a user starts it."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path


def in_terminal(arguments, folder, environment):
    """Start the command as the foreground process of a new terminal; return the process and the terminal's other end.
    """
    ours, theirs = pty.openpty()
    program = "import os, sys, fcntl, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
    frostline = Path(sys.executable).with_name("frostline")
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(frostline), *arguments],
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=environment,
    )
    os.close(theirs)
    return process, ours


def read_until(terminal, wanted, seconds=90):
    shown, end = b"", time.monotonic() + seconds
    while wanted not in shown:
        ready, _, _ = select.select([terminal], [], [], 1)
        assert time.monotonic() < end, shown.decode(errors="replace")[-2000:]
        if ready:
            try:
                shown += os.read(terminal, 65536)
            except OSError:  # the other end is closed
                break
    return shown
