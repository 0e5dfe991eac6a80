"""Warm processes that share one Prefect server; each is used by one thread at a time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue

from flows.prefect_server.embedded import start_or_join
from tests.typed import Forker, warm


class Workers:
    """A context manager that starts the server and the processes, and ends them on exit.

    Args:
        folder: the folder of the server's home and the processes' outputs.
        count: the number of processes.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self.folder, self.count = folder, count
        self._free: SimpleQueue[Forker] = SimpleQueue()
        self._entered = ExitStack()

    def __enter__(self) -> Workers:
        with ExitStack() as entered:
            server = start_or_join(self.folder / "prefect")
            entered.callback(server.release)
            server.wait()
            clean = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT", "FROSTLINE"))}
            clean |= {"PREFECT_HOME": str(server.home), "PREFECT_API_URL": server.api_url}
            for number in range(self.count):
                (self.folder / f"typed{number}").mkdir()
                self._free.put(entered.enter_context(warm(clean, self.folder / f"typed{number}")))
            self._entered = entered.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._entered.close()

    @contextlib.contextmanager
    def borrow(self) -> Iterator[Forker]:
        """Yield a process that no other thread uses; wait for one if all are in use."""
        forker = self._free.get()
        try:
            yield forker
        finally:
            self._free.put(forker)
