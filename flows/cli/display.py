"""The progress display of a training on stderr: a live display in a terminal, elsewhere a line per epoch."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.text import Text

from flows.cli.output import print_line
from handler.errors.quoting import listing
from handler.observer import Observer
from handler.records import SegmentRecord
from handler.report.number_format import duration
from handler.schedule.schedule import Segment


def display_for(console: Console) -> Display:
    """Return the display that suits the console."""
    return LiveDisplay(console) if console.is_terminal else Display(console)


class Display(Observer):
    """A line per epoch; also the base class of the live display.

    Args:
        console: the console to write to.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.epochs = 0

    def begin(self, epochs: int, done: int) -> None:
        """Set the number of epochs, and how many of them are cached."""
        self.epochs = epochs

    def status(self, text: str) -> None:
        """Show an activity outside of the epochs; "" ends it."""

    def note(self, text: str) -> None:
        """Write a line that stays."""
        print_line(self.console, text)

    def close(self) -> None:
        """End the display; idempotent."""

    def on_segment_begin(self, segment: Segment, start: int, steps: int) -> None:
        """Write which layers are frozen in the segment."""
        frozen = f"frozen: {listing(segment.frozen, 4)}" if segment.frozen else "all layers train"
        self.note(f"epochs {segment.start}-{segment.end}: {frozen}")

    def on_epoch(self, epoch: int, logs: dict[str, float], seconds: float) -> None:
        """Write the epoch's metrics."""
        names = (name for name in logs if not (name.startswith("val_") and name[4:] in logs))
        figures = "  ".join(_metric(name, logs) for name in names)
        of = f"/{self.epochs}" if self.epochs else ""
        self.note(f"epoch {epoch + 1}{of}  {figures}  {duration(seconds)}")

    def on_segment_end(self, record: SegmentRecord) -> None:
        """Write that the segment was cached."""
        if record.source == "cached":
            self.note(f"epochs {record.start}-{record.end}: cached")

    def on_message(self, text: str) -> None:
        """Write the note."""
        self.note(text)


def _metric(name: str, logs: dict[str, float]) -> str:
    """Return the text of a metric, with its value for the validation data if there is one."""
    validation = logs.get(f"val_{name}")
    return f"{name} {logs[name]:.4f}" + ("" if validation is None else f" (val {validation:.4f})")


class LiveDisplay(Display):
    """The segment, its frozen layers, epoch, step, loss and time left, redrawn in place; lines of past epochs stay."""

    each_step = False

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._segment: Segment | None = None
        self._logs: dict[str, Any] = {}
        self._text = ""
        self._drawn = 0.0
        self._done = 0.0
        self._began: tuple[float, float] | None = None
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=40), TaskProgressColumn(), console=console
        )
        self._all = self._bar.add_task("all epochs", total=None)
        self._live = Live(
            Text(""),
            console=console,
            refresh_per_second=8,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def begin(self, epochs: int, done: int) -> None:
        """Set the length of the bar over all epochs."""
        super().begin(epochs, done)
        self._done = done
        self._bar.update(self._all, total=epochs, completed=done)

    def status(self, text: str) -> None:
        """Show the activity."""
        self._text = text
        self._draw(at_once=True)

    def close(self) -> None:
        """Remove the display; the lines stay."""
        self._live.stop()

    def on_segment_begin(self, segment: Segment, start: int, steps: int) -> None:
        """Show the segment's layers."""
        super().on_segment_begin(segment, start, steps)
        self._segment, self._text, self._began = segment, "reading data and tracing the step", None
        self._draw()

    def on_data_copied(self, done: int, of: int) -> None:
        """Show how many bytes of the data are written."""
        self._text = f"copying the data into the store: {done / 1e9:.2f}/{of / 1e9:.2f} GB"
        self._draw()

    def on_activations(self, done: int, examples: int) -> None:
        """Show for how many examples the frozen prefix's activations are computed."""
        self._text = f"caching activations of frozen layers: {done}/{examples} examples"
        self._draw()

    def on_step(self, epoch: int, step: int, steps: int, logs: dict[str, Any]) -> None:
        """Show the step; the metrics are copied from the device only when the display is redrawn."""
        self._done = epoch + step / steps
        now = time.monotonic()
        if self._began is None:
            self._began = (now, self._done)
        if now - self._drawn < 0.125 and step != steps:
            return
        self._drawn = now
        figures = "  ".join(f"{name} {float(value):.4f}" for name, value in logs.items())
        self._text = f"epoch {epoch + 1}/{self.epochs or '?'}  step {step}/{steps}  {figures}{self._left(now)}"
        self._bar.update(self._all, completed=self._done)
        self._draw()

    def _left(self, now: float) -> str:
        if self._began is None or not self.epochs:
            return ""
        began, at = self._began
        if self._done - at <= 0 or now - began < 1:
            return ""
        return f"  about {duration((now - began) / (self._done - at) * (self.epochs - self._done))} left"

    def _draw(self, at_once: bool = False) -> None:
        lines: list[Any] = []
        if self._segment is not None and self._text:
            frozen = self._segment.frozen
            parts: list[Any] = [(f"epochs {self._segment.start}-{self._segment.end}", "bold"), "  "]
            parts += [("frozen:", "cyan"), f" {listing(frozen, 4)}"] if frozen else [("all layers train", "cyan")]
            lines.append(Text.assemble(*parts))
        if self._text:
            lines.append(Text(self._text))
        if self.epochs:
            lines.append(self._bar)
        self._live.update(Group(*lines), refresh=at_once)
