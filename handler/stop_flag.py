"""The stop flag: signal handlers set it, and the step loop reads it between two steps."""

from handler.errors import Interrupted


class StopFlag:
    """A flag that requests a training to stop after its present step.

    Attributes:
        reason: the source of the request (`SIGINT`, `SIGTERM`, ...); "" without a request.
    """

    def __init__(self) -> None:
        self.reason = ""

    @property
    def requested(self) -> bool:
        """True if a stop was requested."""
        return bool(self.reason)

    def request(self, reason: str) -> None:
        """Request a stop. It only sets an attribute, so a signal handler may call it; the first reason is kept."""
        self.reason = self.reason or reason

    def halt(self) -> None:
        """Raise `Interrupted` if a stop was requested."""
        if self.requested:
            raise Interrupted(f"stopped by {self.reason}")

    def reset(self) -> None:
        """Clear the request."""
        self.reason = ""


stop = StopFlag()
