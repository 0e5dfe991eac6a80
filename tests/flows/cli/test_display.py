import io

from rich.console import Console

from flows.cli.display import Display, LiveDisplay, display_for
from handler.records import SegmentRecord
from handler.schedule.schedule import Segment

SEGMENT = Segment(1, 1, 3, ("enc1", "enc2"), 0.01)
CACHED = SegmentRecord(index=0, start=0, end=1, state="k", source="cached", trained_epochs=0, seconds=0)


def watch(display):
    """Send a short training to a display."""
    display.begin(3, 1)
    display.status("starting")
    display.on_segment_end(CACHED)
    display.on_segment_begin(SEGMENT, 1, 2)
    for epoch in (1, 2):
        for step in (1, 2):
            display.on_step(epoch, step, 2, {"loss": 0.5 / step})
        display.on_epoch(epoch, {"loss": 0.25}, 61.0)
    display.on_message("the disk is tired")
    display.close()
    display.close()


def test_outside_a_terminal_the_display_prints_a_line_per_epoch():
    out = io.StringIO()
    display = display_for(Console(file=out, width=20))
    assert type(display) is Display
    watch(display)
    assert out.getvalue().splitlines() == [
        "epochs 0-1: cached",
        "epochs 1-3: frozen: enc1, enc2",
        "epoch 2/3  loss 0.2500  1 min 01 s",
        "epoch 3/3  loss 0.2500  1 min 01 s",
        "the disk is tired",
    ]


def test_a_terminal_shows_the_progress_of_segment_epoch_and_step():
    out = io.StringIO()
    display = display_for(Console(file=out, width=100, force_terminal=True, color_system=None))
    assert isinstance(display, LiveDisplay)
    watch(display)
    shown = out.getvalue()
    for part in ("starting", "epochs 1-3  frozen: enc1, enc2", "epoch 3/3  step 2/2  loss 0.2500", "all epochs", "100%"):
        assert part in shown
    assert shown.count("epoch 3/3  loss 0.2500  1 min 01 s") == 1


def test_an_epoch_shows_each_metric_with_its_validation_value():
    out = io.StringIO()
    Display(Console(file=out)).on_epoch(0, {"loss": 0.25, "val_loss": 0.5, "val_other": 1.0, "lr": 0.1}, 8.6)
    assert out.getvalue() == "epoch 1  loss 0.2500 (val 0.5000)  val_other 1.0000  lr 0.1000  8.6 s\n"


def test_a_terminal_wraps_a_line_between_words_but_no_command():
    out = io.StringIO()
    display = Display(Console(file=out, width=20, force_terminal=True, color_system=None))
    display.note("the last epochs are not trained then: states/0123456789abcdef0123")
    display.note("to resume: frostline train small.yaml --store kept")
    assert out.getvalue().splitlines() == [
        "the last epochs are", "not trained then:", "states/0123456789abcdef0123",
        "to resume: frostline train small.yaml --store kept",
    ]
