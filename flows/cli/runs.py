"""`frostline runs`."""

import contextlib

from flows.answers import RunsAnswer, RunSummary, effective_status
from flows.cli.output import Output
from flows.cli.tables import coloured, moment, table
from handler.errors import StoreError
from handler.state.chain import latest_intact
from handler.store.store import Store


def list_runs(output: Output, folder: str) -> None:
    """List a store's runs, the latest first; a store that does not exist has none."""
    store = Store(folder)
    summaries, unreadable = [], {}
    for name in store.runs.names():
        try:
            alive = store.runs.is_alive(name)  # before reading the record, which a dead process no longer changes
            record = store.runs.read(name)
        except StoreError as error:
            unreadable[name] = str(error)
            continue
        epochs = record.epochs
        if record.status != "completed":  # the record is written only now and then; the states are newer
            with contextlib.suppress(StoreError):
                reached = latest_intact(record.chain, store.states)
                epochs = reached.epoch if reached is not None else epochs
        last = {metric: values[-1] for metric, values in record.history.items() if values}
        names = ("run", "training_epochs", "state", "started", "updated", "error")
        copied = {name: getattr(record, name) for name in names}
        status = effective_status(record, alive)
        summaries.append(RunSummary(status=status, alive=alive, last=last, epochs=epochs, **copied))
    summaries.sort(key=lambda summary: summary.updated, reverse=True)
    answer = RunsAnswer(store=folder, runs=summaries, unreadable=unreadable)
    if not summaries and not unreadable:
        output.answer(answer, f"there are no runs in {folder}")
        return
    rows = [
        (
            summary.run,
            coloured(summary.status),
            f"{summary.epochs} of {summary.training_epochs}",
            f"{summary.last['loss']:.4g}" if "loss" in summary.last else "",
            moment(summary.updated),
        )
        for summary in summaries
    ]
    for name, why in unreadable.items():
        output.say(f"{name}: {why}")
    output.answer(answer, table("run", "status", "epochs", "loss", "updated", rows=rows))
