"""The state of a Prefect server on this machine: whether it answers, and the processes of an embedded one."""

from __future__ import annotations

import urllib.request
from pathlib import Path


def healthy(url):
    with urllib.request.urlopen(f"{url}/api/health", timeout=60) as response:
        return response.status == 200


def processes_of(home):
    """Return the process ids of a home's embedded server: the holder and the server itself."""
    rows = []
    for folder in Path("/proc").iterdir():
        try:
            if not folder.name.isdigit() or b"flows.prefect_server.holder" not in (folder / "cmdline").read_bytes():
                continue
            about = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:
            continue
        if f"{home}\0".encode() in about:
            rows.append(int(folder.name))
    return rows
