"""A trace of a training, and a kill at one of its points. This module runs in the process to be killed.

A point is a call (the stages, a step, an evaluation, ...; `CALLS`) or an operation on a file of the store (`state
manifest`, `run.json rename`, ...; see `area` and `act_on`). Frostline has no code for this: the calls are wrapped from
outside, and an audit hook, which Python calls before it opens, renames or removes a file, sees the file operations.

The trace has a line per event: seconds, thread, sign (`>` a call begins, `<` it has ended, `.` a file operation
follows, `*` a step is done), name.
"""

from __future__ import annotations

import functools
import importlib
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path

CALLS = {
    "plan": "handler.run:TrainingRun.plan",
    "begin": "handler.run:TrainingRun.begin",
    "pre-fit": "handler.run:TrainingRun.pre_fit",
    "backup": "handler.run:TrainingRun.backup",
    "segment": "handler.run:TrainingRun.train_segment",
    "restore": "handler.run:TrainingRun.restore",
    "post-fit": "handler.run:TrainingRun.post_fit",
    "report": "handler.run:TrainingRun.report",
    "finish": "handler.run:TrainingRun.mark_completed",
    "epoch": "handler.engine.trainer:Trainer.run_epoch",
    "validation": "handler.engine.trainer:Trainer.evaluate",
    "tracing": "handler.freezing.masks:compiled_step",
    "steps": "handler.engine.graph_loop:GraphLoop.run",
    "state": "handler.store.states:StateStore.write",
    "loading": "handler.store.states:StateStore.read",
    "dropping": "handler.store.states:StateStore.drop_snapshots",
    "writing back": "handler.training.data_backup:restore_backup",
}
TEMPORARY = re.compile(r"\.tmp-\w+-\w+-")
WRITING = os.O_WRONLY | os.O_RDWR


def watch(trace: str, store: str, kill: dict | None = None) -> None:
    """Start the trace.

    Args:
        trace: the file to append to.
        store: the store's directory.
        kill: `Kill` as a dict; the process sends itself SIGKILL there.
    """
    watcher = Watcher(Path(trace), Path(store), **(kill or {}))
    own = {"epoch": watcher.epochs, "state": watcher.states}
    for name, target in CALLS.items():
        wrap(target, own.get(name) or functools.partial(watcher.call, name))
    # A traced step runs as one call. `graph` kills inside a graph call of many steps, which are not traced.
    if watcher.point == "graph":
        wrap(CALLS["steps"], functools.partial(watcher.call, "graph"))
    else:
        wrap("handler.freezing.masks:Masks.step", watcher.steps)
    sys.addaudithook(watcher.audit)
    watcher.say(">", "start-up")


def wrap(target: str, wrapper) -> None:
    """Replace a method, or a function in every module that imported it, by `wrapper(function)`."""
    module, _, path = target.partition(":")
    *owners, name = path.split(".")
    holder = importlib.import_module(module)
    for owner in owners:
        holder = getattr(holder, owner)
    original = getattr(holder, name)
    wrapped = functools.wraps(original)(wrapper(original))
    setattr(holder, name, wrapped)
    for other in list(sys.modules.values()):
        if getattr(other, "__name__", "").partition(".")[0] in ("handler", "tasks", "flows") and not owners:
            for key, value in list(vars(other).items()):
                if value is original:
                    setattr(other, key, wrapped)


class Watcher:
    """The writer of the trace; it also kills."""

    def __init__(self, trace: Path, store: Path, point: str = "", at: int = 1, when: str = "before") -> None:
        self.file = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.store, self.point, self.at, self.when = store, point, at, when
        self.passed = 0
        self.training = (None, 0)  # the trainer and its current epoch
        self.writers: dict[str, str] = {}  # state -> the thread that requested it; zarr's own threads write the files

    def say(self, sign: str, name: str, thread: str = "") -> None:
        thread = thread or threading.current_thread().name
        os.write(self.file, f"{time.monotonic():.6f}\t{thread}\t{sign}\t{name}\n".encode())

    def reached(self, name: str) -> bool:
        """Return whether this is the point of the kill."""
        if name == self.point:
            self.passed += 1
            return self.passed == self.at
        return False

    def call(self, name: str, function):
        """Trace the calls of a function; kill before, inside or after one."""

        def reporting(*args, **kwargs):
            here = self.reached(name)
            self.say(">", name)
            if here and self.when == "before":
                die()
            entered = threading.Event()
            if here and self.when == "inside":
                threading.Thread(target=lambda: entered.wait() and die(), name="killer", daemon=True).start()
            entered.set()  # from here on, the killer thread runs as soon as this one releases the GIL
            try:
                result = function(*args, **kwargs)
            finally:
                self.say("<", name)
            if here and self.when == "after":
                die()
            return result

        return reporting

    def states(self, function):
        """Trace the writing of states, and store which thread requested each."""

        def reporting(states, key, *args, **kwargs):
            self.writers[key] = threading.current_thread().name
            return function(states, key, *args, **kwargs)

        return self.call("state", reporting)

    def epochs(self, function):
        """Trace the epochs, and store the current one."""

        def reporting(trainer, epoch, *args, **kwargs):
            self.training = (trainer, epoch)
            return function(trainer, epoch, *args, **kwargs)

        return self.call("epoch", reporting)

    def steps(self, function):
        """Trace the begin and the end of every step."""
        made = {}

        def step_of(masks, signature, *more):
            step = function(masks, signature, *more)
            if step not in made:
                made[step] = self.call("step", functools.partial(self._step, step))
            return made[step]

        return step_of

    def _step(self, step, batch):
        logs = step(batch)
        trainer, epoch = self.training
        self.say("*", f"{epoch} {trainer.step + 1}")
        return logs

    def audit(self, event: str, args: tuple) -> None:
        if event not in ("open", "os.rename", "os.remove", "os.rmdir") or not isinstance(args[0], str | os.PathLike):
            return
        path = Path(args[0])
        if event in ("os.remove", "os.rmdir") and args[1] >= 0:  # relative to an open directory
            path = Path(f"/proc/self/fd/{args[1]}").readlink() / path
        act = act_on(path, event, args) if path.is_relative_to(self.store) else ""
        if act:
            parts = path.relative_to(self.store).parts
            thread = self.thread(parts)
            name = f"{area(parts, thread)} {act}"
            here = self.reached(name)
            self.say(".", name, thread)
            if here:
                if self.when == "torn" and path.is_file():
                    os.truncate(path, path.stat().st_size // 2)
                die()

    def thread(self, parts: tuple[str, ...]) -> str:
        """Return the thread on whose behalf a file is touched: the main thread, or the one that writes snapshots in the
        background.
        """
        name = threading.current_thread().name
        if name in ("MainThread", "snapshot") or len(parts) < 2:
            return name
        return self.writers.get(TEMPORARY.sub("", parts[1]), "MainThread")


def area(parts: tuple[str, ...], thread: str) -> str:
    """Return the object to which a file of the store belongs.

    The result is `state` (`snapshot` if the background thread writes it), `prefit`, `backup`, `plan`, `result`, or the
    name of a run's file.
    """
    if parts[0] == "runs":
        return TEMPORARY.sub("", parts[2]) if len(parts) > 2 else "run"
    if parts[0] == "states":
        return "snapshot" if thread == "snapshot" else "state"
    return {"backups": "backup", "plans": "plan", "results": "result"}.get(parts[0], parts[0])


def act_on(path: Path, event: str, args: tuple) -> str:
    """Return the operation that an audit event announces on a file or directory of the store.

    The result is `data` (a file is opened for writing), `manifest` (a manifest is), `sync` (a written file is opened
    again, to be synced, or to check whether its writer lives), `rename` (to its final name), `retire` (from its final
    name, to be removed), `set-aside` (quarantined), `remove`, or "" for any other event.
    """
    temporary = any(part.startswith(".tmp-") for part in path.parts)
    if event == "open":
        if args[2] & WRITING:
            return "manifest" if path.name == "manifest.json" else "data"
        return "sync" if temporary else ""
    if event == "os.rename":
        if path.name.endswith(".partial"):  # a temporary file of zarr
            return ""
        return "rename" if temporary else "retire" if ".tmp-" in os.fspath(args[1]) else "set-aside"
    return "remove"


def die() -> None:
    """End this process like `kill -9`."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)
