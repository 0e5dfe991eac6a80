"""The wish to stop, as a flag. Signal handlers set it; the step loop reads it between two steps."""

from __future__ import annotations

from handler.errors import Interrupted


class StopFlag:
    """Asks a training to stop after the step it is in.

    Attributes:
        reason: who asked (`SIGINT`, `SIGTERM`, ...); "" as long as nobody did.
    """

    def __init__(self) -> None:
        self.reason = ""

    @property
    def requested(self) -> bool:
        """Whether somebody asked."""
        return bool(self.reason)

    def request(self, reason: str) -> None:
        """Asks to stop; does nothing else, so a signal handler may call it."""
        self.reason = self.reason or reason

    def halt(self) -> None:
        """Raises Interrupted where somebody asked."""
        if self.requested:
            raise Interrupted(f"stopped by {self.reason}")

    def reset(self) -> None:
        """Forgets what was asked."""
        self.reason = ""


stop = StopFlag()
