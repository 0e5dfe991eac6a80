"""The embedded Prefect server: one per PREFECT_HOME, shared by all `frostline` runs that use it; it ends with the last.

Every run holds an open end of a named pipe. The holder process (`flows/prefect_server/holder.py`) sees the pipe hang up
when the last run has ended or was killed, and then ends the server. The holder has its own process session, so that a
Ctrl-C meant for the training does not reach it. A file lock keeps the start and the end of a server apart.

Files in PREFECT_HOME: `frostline-server.json` (the address), `.hold` (the pipe), `.lock`, `.log`. This module does not
import Prefect.
"""

import contextlib
import errno
import http.client
import json
import os
import select
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from handler.errors import FrostlineError
from handler.store.file_lock import FileLock

STARTUP_SECONDS = 120.0


class ServerError(FrostlineError):
    """The Prefect server cannot be started or reached."""


def prefect_home() -> Path:
    """Return the folder of Prefect's database and settings."""
    return Path(os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser().absolute()


def configured_api_url() -> str | None:
    """Return the API URL of the user's own server, from PREFECT_API_URL or the active profile; None without either."""
    if url := os.environ.get("PREFECT_API_URL"):
        return url
    profiles = Path(os.environ.get("PREFECT_PROFILES_PATH") or prefect_home() / "profiles.toml").expanduser()
    try:
        settings = tomllib.loads(profiles.read_text())
    except (OSError, tomllib.TOMLDecodeError):
        return None
    profile = settings.get("profiles", {}).get(os.environ.get("PREFECT_PROFILE") or settings.get("active"), {})
    url = profile.get("PREFECT_API_URL")
    return str(url) if url else None


@contextlib.contextmanager
def startup_lock(home: Path) -> Iterator[None]:
    """Hold the lock that keeps the start and the end of a home's server apart across processes."""
    with FileLock.of_file(home / "frostline-server.lock", 0o600) as lock:
        lock.acquire(wait=True)
        yield


@dataclass
class EmbeddedServer:
    """A reference to the embedded server, which lives at least as long as this process keeps `hold` open.

    Attributes:
        url: its address, `http://127.0.0.1:PORT`; the API is at `/api`, the UI at `/`.
        pid: the holder's process id.
        home: its PREFECT_HOME.
        hold: the file descriptor of the pipe's open end.
        process: the holder, if this process started it.
    """

    url: str
    pid: int
    home: Path
    hold: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def api_url(self) -> str:
        """The address of the API."""
        return f"{self.url}/api"

    @property
    def log(self) -> Path:
        """The path of the server's log."""
        return self.home / "frostline-server.log"

    def wait(self, seconds: float = STARTUP_SECONDS, unless: Callable[[], bool] = lambda: False) -> None:
        """Wait until the server answers, or until `unless()` is true.

        Args:
            seconds: the timeout.
            unless: polled; ends the wait early when it returns true.

        Raises:
            ServerError: the server ended during its start, or did not answer in time.
        """
        end = time.monotonic() + seconds
        while not unless() and not self._answers():
            if not self.is_held():
                raise ServerError(f"the embedded Prefect server ended during its start; {self._log_excerpt()}")
            if time.monotonic() > end:
                raise ServerError(
                    f"the embedded Prefect server at {self.url} didn't answer in {seconds:.0f} s; {self._log_excerpt()}"
                )
            time.sleep(0.1)

    def release(self, seconds: float = 4.0) -> None:
        """Release the server; if no other process holds it, wait for its end, at most `seconds`."""
        others = self._close_hold()
        end = time.monotonic() + seconds
        shared_until = time.monotonic() + 0.5
        while not others and time.monotonic() < end and self._running():
            others = time.monotonic() > shared_until and _recorded_pid(self.home) == self.pid
            time.sleep(0.02)
        if self.process is not None and self.process.poll() is None:
            self.process.returncode = 0  # the holder outlives this process; this keeps Popen from warning about it

    def _close_hold(self) -> bool:
        """Close this process's end of the pipe, and return whether other processes hold one."""
        watch = os.open(f"/proc/self/fd/{self.hold}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        os.close(self.hold)
        poll = select.poll()
        poll.register(watch, select.POLLHUP)
        others = not poll.poll(0)
        os.close(watch)
        return others

    def _running(self) -> bool:
        if self.process is not None:
            return self.process.poll() is None
        return Path(f"/proc/{self.pid}").exists()

    def is_held(self) -> bool:
        """Return whether the holder process runs; it restarts a server that dies."""
        poll = select.poll()
        poll.register(self.hold, select.POLLERR)
        return not poll.poll(0)

    def _answers(self) -> bool:
        host, _, port = self.url.removeprefix("http://").partition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=2)
        try:
            connection.request("GET", "/api/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _log_excerpt(self) -> str:
        try:
            lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        except OSError:
            lines = []
        last_line = f"; the last line is: {lines[-1].strip()}" if lines else ""
        return f"its log is {self.log}{last_line}"


def start_or_join(home: Path | None = None) -> EmbeddedServer:
    """Return a reference to the home's embedded server, and start the server if it is not running.

    It returns at once; call `wait()` before using the server.

    Args:
        home: the PREFECT_HOME; by default the environment's.

    Raises:
        ServerError: the home is not writable, or the process cannot be started.
    """
    home = home or prefect_home()
    try:
        home.mkdir(0o700, parents=True, exist_ok=True)
        with startup_lock(home):
            return _join(home) or _start(home)
    except OSError as error:
        raise ServerError(
            f"the embedded Prefect server can't be started in {home} ({error}); "
            "set PREFECT_HOME to a writable folder, or PREFECT_API_URL to a running server"
        ) from error


def _join(home: Path) -> EmbeddedServer | None:
    try:
        hold = os.open(home / "frostline-server.hold", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENXIO):
            return None
        raise
    try:
        record = json.loads((home / "frostline-server.json").read_text())
        return EmbeddedServer(record["url"], record["pid"], home, hold)
    except (OSError, ValueError, KeyError):
        os.close(hold)
        return None


def _start(home: Path) -> EmbeddedServer:
    pipe, record = home / "frostline-server.hold", home / "frostline-server.json"
    record.unlink(missing_ok=True)
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe, 0o600)
    watch = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    hold = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        with (home / "frostline-server.log").open("wb") as log:
            arguments = map(str, (home, watch, listening.fileno()))
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "flows.prefect_server.holder", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=home,
                env=os.environ | {"PREFECT_HOME": str(home)},
                # See docs/decisions/0004-embedded-server-in-its-own-session.md.
                start_new_session=True,
                pass_fds=(watch, listening.fileno()),
            )
        url = f"http://127.0.0.1:{port}"
        record.write_text(json.dumps({"url": url, "pid": process.pid}))
        return EmbeddedServer(url, process.pid, home, hold, process)
    except OSError:
        os.close(hold)
        raise
    finally:
        os.close(watch)
        listening.close()


def _recorded_pid(home: Path) -> int | None:
    try:
        return int(json.loads((home / "frostline-server.json").read_text())["pid"])
    except (OSError, ValueError, KeyError):
        return None
