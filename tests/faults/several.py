"""Runs several command lines in one process, one after the other, since a process costs more than most commands.

    several COMMANDS.json

The file holds a list of pairs: a folder, and the command line to run there. In the file's folder, `N.out` and `N.err`
receive the output of the N-th command, and `codes.json` receives each exit code and duration in seconds.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


def main() -> int:
    file = Path(sys.argv[2])
    messages = []
    for number, (folder, typed) in enumerate(json.loads(file.read_text())):
        os.chdir(folder)
        for descriptor, kind in ((1, "out"), (2, "err")):
            opened = os.open(file.parent / f"{number}.{kind}", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            os.dup2(opened, descriptor)
            os.close(opened)
        from flows.cli.app import run

        began = time.monotonic()
        code, _ = run(typed)
        sys.stdout.flush()
        sys.stderr.flush()
        messages.append((code, time.monotonic() - began))
        (file.parent / "codes.json").write_text(json.dumps(messages))
    return 0
