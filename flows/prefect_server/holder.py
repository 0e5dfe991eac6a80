"""The process that holds the embedded Prefect server, and the server's own process.

    python -m flows.prefect_server.holder HOME PIPE SOCKET      holds a server until the pipe hangs up
    python -m flows.prefect_server.holder serve SOCKET          is the server, on an inherited socket

PIPE and SOCKET are inherited file descriptors. The holder keeps the listening socket open, so that it can restart a
server that dies on the same port; runs that use the server only see a pause.
"""

import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from flows.prefect_server.embedded import startup_lock

RESTARTS = 3
TERM_SECONDS = 1.5


def hold(home: Path, pipe: int, listening: int) -> None:
    """Start the server; when no process holds the pipe any more, end the server and return.

    Args:
        home: the PREFECT_HOME.
        pipe: the descriptor of the pipe's reading end.
        listening: the descriptor of the listening socket.
    """
    stop_signals: list[int] = []
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: stop_signals.append(number))
    poll = select.poll()
    poll.register(pipe, select.POLLHUP)
    server, restarts = _start(listening), 0
    while True:
        hung_up = bool(poll.poll(500))
        if not hung_up and not stop_signals:
            if server.poll() is None:
                continue
            print(f"frostline: the server ended with code {server.returncode}", flush=True)  # noqa: T201 (to the log)
            # guard: embedded-server-restarted
            if restarts < RESTARTS and _has_listened(listening):  # one that never listened would fail again
                server, restarts = _start(listening), restarts + 1
                continue
        with startup_lock(home):
            if hung_up and not stop_signals and not poll.poll(0):
                continue  # a new run opened the pipe just now
            for name in ("frostline-server.json", "frostline-server.hold"):
                (home / name).unlink(missing_ok=True)
            _end(server)
        return


def serve(listening: int) -> None:
    """Serve Prefect's API and UI on a socket until SIGTERM, or until the holder ends, even if it is killed."""
    holder = os.getppid()
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
    if os.getppid() != holder:
        return
    import uvicorn
    from prefect.server.api.server import create_app

    from flows.prefect_server.access_control import OwnOrigin, OwnUser

    bound = socket.socket(fileno=listening)
    config = uvicorn.Config(
        OwnOrigin(create_app(final=True), bound.getsockname()[1]),
        http=OwnUser,
        log_level="warning",
        timeout_keep_alive=5,
        lifespan="on",
        timeout_graceful_shutdown=1,
    )
    uvicorn.Server(config).run(sockets=[bound])


def _start(listening: int) -> subprocess.Popen[bytes]:
    with socket.socket(fileno=os.dup(listening)) as bound:
        port = bound.getsockname()[1]
    environment = {k: v for k, v in os.environ.items() if k not in ("PREFECT_API_URL", "PREFECT_API_KEY")} | {
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_UI_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{port},http://localhost:{port}",
    }
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "flows.prefect_server.holder", "serve", str(listening)],
        stdin=subprocess.DEVNULL,
        env=environment,
        process_group=0,
        pass_fds=(listening,),
    )


def _has_listened(listening: int) -> bool:
    """Return whether the server ever listened on the socket, which stays listening as long as this process holds it."""
    with socket.socket(fileno=os.dup(listening)) as bound, socket.socket() as caller:
        return caller.connect_ex(bound.getsockname()) == 0


def _end(server: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, number)
        except ProcessLookupError:
            break
        end = time.monotonic() + TERM_SECONDS
        while server.poll() is None and time.monotonic() < end:
            time.sleep(0.02)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    else:
        hold(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
