"""What the user sees while it trains, on stderr: a live display in a terminal, a line per epoch elsewhere."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.text import Text

from flows.commands.tables import duration, names
from handler.observe import Observer
from handler.record import SegmentRecord
from handler.schedule import Segment
from handler.specification.secrets import masked


def display_for(console: Console) -> Display:
    """The display that fits where the console writes to."""
    return LiveDisplay(console) if console.is_terminal else Display(console)


class Display(Observer):
    """A line per epoch; the base of the live display.

    Args:
        console: where to write.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.epochs = 0

    def begin(self, epochs: int, done: int) -> None:
        """Says how many epochs there are and how many are in the store."""
        self.epochs = epochs

    def status(self, text: str) -> None:
        """Says what is being done outside of the epochs; "" when that is over."""

    def note(self, text: str) -> None:
        """Writes a line that stays."""
        self.console.print(masked(text), highlight=False, markup=False, soft_wrap=True)

    def close(self) -> None:
        """Ends the display; may be called twice."""

    def on_segment_begin(self, segment: Segment, start: int, steps: int) -> None:
        """Says which layers are frozen from here on."""
        frozen = f"frozen: {names(segment.frozen)}" if segment.frozen else "all layers train"
        self.note(f"epochs {segment.start}-{segment.end}: {frozen}")

    def on_epoch(self, epoch: int, logs: dict[str, float], seconds: float) -> None:
        """Writes the epoch's figures."""
        figures = "  ".join(f"{name} {value:.4f}" for name, value in logs.items())
        of = f"/{self.epochs}" if self.epochs else ""
        self.note(f"epoch {epoch + 1}{of}  {figures}  {duration(seconds)}")

    def on_segment_end(self, record: SegmentRecord) -> None:
        """Says what was found instead of trained."""
        if record.source == "cached":
            self.note(f"epochs {record.start}-{record.end}: found in the store")

    def on_note(self, text: str) -> None:
        """Passes a note on."""
        self.note(text)


class LiveDisplay(Display):
    """Segment, frozen layers, epoch, step, loss and time left, redrawn a few times a second; epochs stay as lines."""

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
        """Sets the bar of all epochs."""
        super().begin(epochs, done)
        self._done = done
        self._bar.update(self._all, total=epochs, completed=done)

    def status(self, text: str) -> None:
        """Shows what is being done."""
        self._text = text
        self._draw(at_once=True)

    def close(self) -> None:
        """Takes the display away; the lines stay."""
        self._live.stop()

    def on_segment_begin(self, segment: Segment, start: int, steps: int) -> None:
        """Shows the segment's layers."""
        super().on_segment_begin(segment, start, steps)
        self._segment, self._text, self._began = segment, "reading and tracing", None
        self._draw()

    def on_copy(self, done: int, of: int) -> None:
        """Shows how far the data is written."""
        self._text = f"writing the data row by row, once: {done / 1e9:.2f}/{of / 1e9:.2f} GB"
        self._draw()

    def on_prefix(self, done: int, examples: int) -> None:
        """Shows how far the frozen prefix is computed."""
        self._text = f"computing what rests, once for all epochs: {done}/{examples} examples"
        self._draw()

    def on_step(self, epoch: int, step: int, steps: int, logs: dict[str, Any]) -> None:
        """Shows the step; the figures are taken from the device only when they are drawn."""
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
            parts += [("frozen:", "cyan"), f" {names(frozen)}"] if frozen else [("all layers train", "cyan")]
            lines.append(Text.assemble(*parts))
        if self._text:
            lines.append(Text(self._text))
        if self.epochs:
            lines.append(self._bar)
        self._live.update(Group(*lines), refresh=at_once)
