"""Several command lines in one process, one after the other: what only looks at a store needs no process for each.

    several COMMANDS.json

The file holds a list of command lines. Beside it, `N.out` and `N.err` get what the N-th wrote, `codes.json` the exit codes and the
seconds that each took.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


def main() -> int:
    file = Path(sys.argv[2])
    told = []
    for number, typed in enumerate(json.loads(file.read_text())):
        for descriptor, kind in ((1, "out"), (2, "err")):
            opened = os.open(file.parent / f"{number}.{kind}", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            os.dup2(opened, descriptor)
            os.close(opened)
        from flows.command import run

        began = time.monotonic()
        code, _ = run(typed)
        sys.stdout.flush()
        sys.stderr.flush()
        told.append((code, time.monotonic() - began))
        (file.parent / "codes.json").write_text(json.dumps(told))
    return 0
