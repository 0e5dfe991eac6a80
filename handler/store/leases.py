"""Locks between machines: an object that says until when it is held, renewed as long as its process lives.

It is taken by a conditional put, so one of several gets it. One that isn't renewed runs out; whoever wants it then
takes it over, on condition again. The service's clock tells when it was renewed last: so a machine whose own clock is
wrong neither holds one for ever nor loses one that it renews. The clock of the machine that asks may differ from the
service's by a quarter of the lease's time.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import threading
import time
from pathlib import Path
from typing import Any

from handler.errors import SpecError, StoreError
from handler.interrupt import stop
from handler.store.mirror import remote_of
from handler.store.remote import Remote

SECONDS = "FROSTLINE_LEASE_SECONDS"
SHORTEST, LONGEST = 0.1, 86400
SKEW = 1 / 4
TICK = 1.0  # a service tells the time in whole seconds


def seconds() -> float:
    """How long a lease is good for unless it is renewed; `FROSTLINE_LEASE_SECONDS`, by default a minute.

    Raises:
        SpecError: the variable is no number of seconds, or one that no lease can have.
    """
    given = os.environ.get(SECONDS) or "60"
    with contextlib.suppress(ValueError):
        if SHORTEST <= float(given) <= LONGEST:
            return float(given)
    raise SpecError(SECONDS, f"{given!r} is no number of seconds between {SHORTEST} and {LONGEST}; 60 is the default")


class Lease:
    """A lock that this process holds, until `release` or the process's end.

    Args:
        remote: where.
        name: the object.
    """

    def __init__(self, remote: Remote, name: str) -> None:
        self.remote, self.name, self.token = remote, name, secrets.token_hex(8)
        self._over = threading.Event()
        self._last = time.monotonic()

    def take(self) -> bool:
        """Takes it where nobody has it; whether it could."""
        begun = time.monotonic()
        there = self.remote.get(self.name)
        if there is None:
            taken = self.remote.create(self.name, self._body(seconds()))
        else:
            taken = _is_over(there) and self.remote.swap(self.name, self._body(seconds()), there[1])
        if taken:
            self._last = begun
            threading.Thread(target=self._renew, name="frostline-lease", daemon=True).start()
        return taken

    def holder(self) -> str | None:
        """Who holds it; None where nobody does."""
        there = self.remote.get(self.name)
        return None if there is None or _is_over(there) else str(_read(there[0]).get("holder") or "another process")

    def release(self) -> None:
        """Lets go of it; where that can't be said, it runs out."""
        self._over.set()
        try:
            there = self.remote.get(self.name)
            if there is not None and _read(there[0]).get("token") == self.token:
                self.remote.swap(self.name, self._body(0), there[1])
        except StoreError:
            return

    def _renew(self) -> None:
        """Asks the training to stop where the lease is another's, or ran out while the service couldn't be reached."""
        while not self._over.wait(seconds() / 4):
            begun = time.monotonic()
            try:
                there = self.remote.get(self.name)
                mine = there is not None and _read(there[0]).get("token") == self.token
                if self._over.is_set():
                    return
                if mine and there is not None and self.remote.swap(self.name, self._body(seconds()), there[1]):
                    self._last = begun
                    continue
            except StoreError:
                mine = time.monotonic() - self._last < seconds()
            if not mine:
                stop.request("the loss of its lease on the run: another machine may be at work on it")
                return

    def _body(self, good_for: float) -> bytes:
        holder = f"process {os.getpid()} on {os.uname().nodename}"
        until = time.time() + good_for if good_for else 0  # for people, unless it is 0: it is let go of
        said = {"token": self.token, "until": until, "good_for": good_for, "holder": holder}
        return json.dumps(said).encode()


def lease_on(path: Path) -> Lease | None:
    """The lease that goes with a lock file, not taken yet; None in a store of this disk."""
    found = remote_of(path)
    return None if found is None else Lease(*found)


def holder_of(path: Path) -> str | None:
    """Who holds the lease that goes with a lock file; None where nobody does, or in a store of this disk."""
    lease = lease_on(path)
    return None if lease is None else lease.holder()


def _is_over(there: tuple[bytes, str, float]) -> bool:
    """Whether a lease was let go of, or hasn't been renewed in time."""
    said, renewed = _read(there[0]), there[2]
    good_for = said.get("good_for")
    lasts = float(good_for) if isinstance(good_for, int | float) and good_for > 0 else seconds()
    return not said.get("until") or time.time() > renewed + lasts * (1 + SKEW) + TICK


def _read(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
