"""A whole training stage by stage, without Prefect: the stages of `flows/train.py`, for tests that need no server.

    stages SPEC --store DIR --name RUN [--set KEY=VALUE ...]

It answers like `frostline train --json`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from flows.answers import TrainAnswer
from handler.run.inputs import RunInputs
from handler.run.training_run import TrainingRun
from handler.spec.reader import load_spec


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("stages")
    parser.add_argument("spec", type=Path)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    given = parser.parse_args(sys.argv[1:])
    spec, folder = load_spec(given.spec, given.overrides)
    run = TrainingRun.of(RunInputs(spec=spec, folder=str(folder), store=str(given.store.absolute()), name=given.name))
    record = run.completed_record()
    if record is None:
        with run.lock():
            record = train(run)
    print(TrainAnswer.of(record, str(given.store)).model_dump_json(), flush=True)
    return 0


def train(run: TrainingRun):
    """Run every stage of a run in order; return the run's record."""
    plan = run.plan()
    run.begin(plan)
    pending = any(not segment.cached for segment in plan.segments)
    if pending:
        run.pre_fit()
        run.backup()
    try:
        for segment in plan.segments:
            if run.train_segment(segment.index).stopped:
                break
    finally:
        if pending:
            run.restore()
    run.post_fit()
    run.report()
    return run.mark_completed()
