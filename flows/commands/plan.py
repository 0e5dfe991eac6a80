"""`frostline plan`."""

from __future__ import annotations

from pathlib import Path

from flows.answers import PlanAnswer
from flows.commands.tables import duration, names, rate, size, table
from flows.output import Output
from handler.errors import SpecError
from handler.run import RunInputs, TrainingRun
from handler.spec import check_run_name, load_spec


def show_plan(
    output: Output, file: Path, store: Path, name: str | None, overrides: list[str], png: Path | None
) -> None:
    """Shows what `train` would do; trains nothing. TensorFlow only where the store doesn't know the network yet.

    Raises:
        SpecError: the specification can't be used.
    """
    spec, folder = load_spec(file, overrides)
    if png is not None and not png.absolute().parent.is_dir():
        raise SpecError("--png", f"there is no folder {png.absolute().parent}")
    inputs = RunInputs(
        spec=spec, folder=str(folder.absolute()), store=str(store.absolute()), name=check_run_name(name or spec.name)
    )
    plan = TrainingRun.of(inputs).plan()
    if png is not None:
        from handler.report import draw_schedule

        draw_schedule(plan, png)
    answer = PlanAnswer(**plan.model_dump() | {"store": str(store), "png": None if png is None else str(png)})
    shown = table(
        "epochs", "frozen", "trains", "trainable", "rate", "in the store", "state", title=f"plan of {plan.run}"
    )
    for s in plan.segments:
        shown.add_row(
            f"{s.start}-{s.end}",
            names(s.frozen, at_most=3),
            names(s.trainable, at_most=2),
            f"{s.trainable_parameters:,}",
            f"[bold]{rate(s.learning_rate)}[/]" if s.sets_learning_rate else rate(s.learning_rate),
            "[green]yes[/]" if s.cached else s.why,
            s.state[:12],
        )
    left = plan.epochs - plan.cached_epochs
    line = f"{plan.epochs} epochs, {left} to train; {plan.parameters:,} parameters"
    if plan.estimated_seconds is not None and left:
        line += f"; about {duration(plan.estimated_seconds)}"
    if plan.estimated_bytes and left:
        line += f"; about {size(plan.estimated_bytes)} on disk"
    output.answer(answer, shown, line, *([f"drawn: {png}"] if png else []))
