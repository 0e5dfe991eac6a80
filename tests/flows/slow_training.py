"""A training that is slow enough to be killed in the middle, and the window in which `resume` looks for it."""

from __future__ import annotations

SLOW = ("data.source=slow:arrays", "data.args={examples: 16000}", "training.batch_size=8", "training.epochs=3", "freeze_training=[]",
        "training.snapshot={steps: 200}", "training.callbacks=[{name: 'slow:Beacon'}]")  # fmt: skip
SETS = [part for override in SLOW for part in ("--set", override)]

# Runs that died in earlier tests lie further back.
RECENT = {"hours": 1e-6}
