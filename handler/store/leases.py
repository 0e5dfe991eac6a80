"""Leases: locks between machines, each an object that says until when it is held and that its process renews.

A lease is taken by a conditional put, so exactly one of several processes gets it. A lease that is not renewed
expires, and any process can then take it over by another conditional put. The service's clock gives the time of the
last renewal. Therefore a machine with a wrong clock neither holds a lease for ever nor loses one that it renews. The
clock of the machine that checks a lease may differ from the service's by a quarter of the lease's duration.
"""

import contextlib
import json
import os
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from handler.errors import SpecError, StoreError
from handler.stop_flag import stop
from handler.store.object_store import Remote
from handler.store.remote_dirs import find_remote

SECONDS = "FROSTLINE_LEASE_SECONDS"
SHORTEST, LONGEST = 0.1, 86400
SKEW = 1 / 4
TICK = 1.0  # seconds; a service reports times in whole seconds


def lease_seconds() -> float:
    """Return the duration of a lease in seconds: `FROSTLINE_LEASE_SECONDS`, by default 60.

    Raises:
        SpecError: the variable is not a number of seconds within the limits.
    """
    given = os.environ.get(SECONDS) or "60"
    with contextlib.suppress(ValueError):
        if SHORTEST <= float(given) <= LONGEST:
            return float(given)
    raise SpecError(
        SECONDS, f"{given!r} is not a number of seconds between {SHORTEST} and {LONGEST}; 60 is the default"
    )


class Lease:
    """A lock that this process can hold until `release` or until the process ends.

    Args:
        remote: the object store.
        name: the name of the object.
        clock: returns this machine's time, in seconds since 1970.
    """

    def __init__(self, remote: Remote, name: str, clock: Callable[[], float] = time.time) -> None:
        self.remote, self.name, self.clock, self.token = remote, name, clock, secrets.token_hex(8)
        self._over = threading.Event()
        self._last = time.monotonic()

    def take(self) -> bool:
        """Take the lease if it is free and renew it from then on; return whether this process holds it now."""
        begun = time.monotonic()
        stored = self.remote.get(self.name)
        if stored is None:
            taken = self.remote.create(self.name, self._body(lease_seconds()))
        else:
            taken = _is_over(stored) and self.remote.compare_and_swap(self.name, self._body(lease_seconds()), stored[1])
        if taken:
            self._last = begun
            threading.Thread(target=self._renew, name="frostline-lease", daemon=True).start()
        return taken

    def holder(self) -> str | None:
        """Return a description of the holder, or None if the lease is free."""
        stored = self.remote.get(self.name)
        return None if stored is None or _is_over(stored) else str(_read(stored[0]).get("holder") or "another process")

    def release(self) -> None:
        """Release the lease; it expires by itself if the service cannot be reached."""
        self.stop_renewing()
        with contextlib.suppress(StoreError):
            stored = self.remote.get(self.name)
            if stored is not None and _read(stored[0]).get("token") == self.token:
                self.remote.compare_and_swap(self.name, self._body(0), stored[1])

    def stop_renewing(self) -> None:
        """Renew the lease no more, so that it expires."""
        self._over.set()

    def _renew(self) -> None:
        """Renew the lease until it is released.

        Ask the training to stop if another process has the lease, or if the lease expired while the service could not
        be reached.
        """
        while not self._over.wait(lease_seconds() / 4):
            begun = time.monotonic()
            try:
                stored = self.remote.get(self.name)
                mine = stored is not None and _read(stored[0]).get("token") == self.token
                if self._over.is_set():
                    return
                body = self._body(lease_seconds())
                if mine and stored is not None and self.remote.compare_and_swap(self.name, body, stored[1]):
                    self._last = begun
                    continue
            except StoreError:
                mine = time.monotonic() - self._last < lease_seconds()
            if not mine:  # guard: lost-lease-stops
                stop.request("the loss of its lease on the run: another machine may be running it")
                return

    def _body(self, good_for: float) -> bytes:
        holder = f"process {os.getpid()} on {os.uname().nodename}"
        until = self.clock() + good_for if good_for else 0  # informational, except that 0 means released
        fields = {"token": self.token, "until": until, "good_for": good_for, "holder": holder}
        return json.dumps(fields).encode()


def new_lease(path: Path) -> Lease | None:
    """Return the lease that belongs to a lock file, not yet taken; None in a local store."""
    remote = find_remote(path)
    return None if remote is None else Lease(*remote)


def read_holder(path: Path) -> str | None:
    """Return the holder of the lease that belongs to a lock file; None if it is free, or in a local store."""
    lease = new_lease(path)
    return None if lease is None else lease.holder()


def _is_over(stored: tuple[bytes, str, float]) -> bool:
    """Return whether a lease was released or was not renewed in time."""
    fields, renewed = _read(stored[0]), stored[2]
    good_for = fields.get("good_for")
    lasts = float(good_for) if isinstance(good_for, int | float) and good_for > 0 else lease_seconds()
    return not fields.get("until") or time.time() > renewed + lasts * (1 + SKEW) + TICK


def _read(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}
