"""The artifacts and events of a training in Prefect's UI: the plan as a table, events, curves and final metrics.

All of them are optional: if the server is unreachable, the log gets a line and the training continues. Creating an
artifact waits for the server, so artifacts are created only at the start and the end, and again at the very end if the
server was unreachable. Events are queued and cost nothing.
"""

import base64
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from prefect import artifacts, get_run_logger
from prefect.events import emit_event
from prefect.exceptions import MissingContextError

from handler.errors.secrets import masked
from handler.observer import Observer
from handler.records import Plan, RunRecord, SegmentRecord
from tasks.client_retries import client_retries


class ArtifactSender:
    """Creates artifacts, and stores those that an unreachable server missed.

    A process has one, because it runs one flow at a time, and a task gets only plain data.
    """

    def __init__(self) -> None:
        self._unsent: list[Callable[[], object]] = []

    def create(self, make: Callable[..., object], *arguments: Any, **named: Any) -> None:
        """Create an artifact; store it if the server does not accept it."""
        try:
            with client_retries(1, seconds=10.0):
                make(*arguments, **named)
        except Exception as error:  # any network or server error
            self._unsent.append(partial(make, *arguments, **named))
            log(f"Prefect's server didn't accept an artifact ({type(error).__name__}: {error}); the training continues")

    def resend(self) -> None:
        """Resend the stored artifacts; call it inside the flow, when the server answers."""
        for make in [self._unsent.pop(0) for _ in range(len(self._unsent))]:
            self.create(make)


sender = ArtifactSender()


def plan_table(plan: Plan) -> None:
    """Create the table artifact `plan-<run>` with the plan."""
    rows = [
        {
            "segment": s.index,
            "epochs": f"{s.start}-{s.end}",
            "learning rate": s.rate_text,
            "trainable parameters": s.trainable_parameters,
            "cached": "yes" if s.cached else s.why or "no",
            "frozen": ", ".join(s.frozen) or "none",  # the last column: it may be long
        }
        for s in plan.segments
    ]
    key, description = _slug("plan", plan.run), f"The plan of {plan.run}"
    sender.create(artifacts.create_table_artifact, rows, key=key, description=description)


def final_figures(record: RunRecord) -> None:
    """Create the markdown artifact `result-<run>` with the last epoch's metrics and the segments."""
    figures = [f"| {_cell(name)} | {values[-1]:.6g} |" for name, values in record.history.items() if values]
    segments = [
        f"| {s.start}-{s.end} | {_cell(', '.join(s.frozen) or 'none')} | {s.source} | {s.seconds:.1f} |"
        for s in record.segments
    ]
    text = "\n".join(
        [
            f"# {record.run}",
            f"{record.epochs} epochs, weights `{(record.weights or '')[:16]}`",
            *["", "| metric | last epoch |", "|---|---|", *figures],
            *["", "| epochs | frozen | source | seconds |", "|---|---|---|---|", *segments],
        ]
    )
    description = f"The result of {record.run}"
    sender.create(artifacts.create_markdown_artifact, text, key=_slug("result", record.run), description=description)


def final_pictures(record: RunRecord, page: str) -> None:
    """Create the image artifact `curves-<run>` with the metrics by epoch, and the link artifact `page-<run>`.

    Args:
        record: the run's record.
        page: the path of its report page.
    """
    from handler.report.standalone_curves import curves_image  # the end alone needs the templates

    name = record.run
    image = base64.b64encode(curves_image(record).encode()).decode()
    url = f"data:image/svg+xml;base64,{image}"
    sender.create(artifacts.create_image_artifact, url, key=_slug("curves", name), description=f"{name} by epoch")
    link, description = Path(page).absolute().as_uri(), f"The report of {name}, on the machine that trained it"
    key = _slug("page", name)
    sender.create(artifacts.create_link_artifact, link, link_text=page, key=key, description=description)


class PrefectObserver(Observer):
    """An observer that reports to Prefect: an event per epoch and per segment, and lines in the run's log.

    Args:
        run: the run's name, in the events' resource id `frostline.run.<run>`.
    """

    def __init__(self, run: str) -> None:
        self.run = run

    def on_epoch(self, epoch: int, logs: dict[str, float], seconds: float) -> None:
        """Emit `frostline.epoch.completed`."""
        figures = {name: float(value) for name, value in logs.items()}
        run_event(self.run, "epoch.completed", {"epoch": epoch, "seconds": round(seconds, 3), **figures})
        metrics = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
        log(f"epoch {epoch + 1} done in {seconds:.1f} s: {metrics}")

    def on_segment_end(self, record: SegmentRecord) -> None:
        """Emit `frostline.segment.completed`."""
        run_event(self.run, "segment.completed", record.model_dump(mode="json"))
        log(f"epochs {record.start}-{record.end} {record.source}, state {record.state}")

    def on_message(self, text: str) -> None:
        """Write the note to the run's log."""
        log(text)


def run_event(run: str, what: str, payload: dict[str, Any]) -> None:
    """Queue an event of a run; never blocks.

    Args:
        run: the run's name.
        what: the event's name, after `frostline.`.
        payload: plain JSON.
    """
    resource = {"prefect.resource.id": f"frostline.run.{run}", "prefect.resource.name": run}
    emit_event(event=f"frostline.{what}", resource=resource, payload=payload)


def log(text: str) -> None:
    """Write a line to the log of the current task or flow run; do nothing outside of one."""
    try:
        get_run_logger().info(masked(text))
    except MissingContextError:
        return


def _cell(text: str) -> str:
    """Escape a text for a cell of a markdown table."""
    return re.sub(r"([\\`*\[\]<>|])", r"\\\1", " ".join(text.split()))


def _slug(what: str, run: str) -> str:
    return f"{what}-" + "".join(c if c.isalnum() and c.isascii() else "-" for c in run.lower()).strip("-")
