"""`frostline plan`."""

from pathlib import Path

from rich.text import Text

from flows.answers import PlanAnswer
from flows.cli.output import Output
from flows.cli.tables import size, table
from handler.errors import SpecError
from handler.errors.quoting import listing
from handler.records import Plan, Reason
from handler.report.number_format import duration
from handler.run.cache_misses import explain_cache_misses
from handler.run.inputs import RunInputs
from handler.run.planner import NOT_TRAINED
from handler.run.training_run import TrainingRun
from handler.spec.reader import load_spec


def show_plan(
    output: Output, file: Path, store: str, name: str | None, overrides: list[str], png: Path | None, why: bool = False
) -> None:
    """Show what `train` would do, without training.

    It loads TensorFlow only if the store does not know the network yet.

    Args:
        output: the command's output.
        file: the specification.
        store: the store as the user wrote it.
        name: the run's name; None takes the specification's.
        overrides: changes to the file, `key.path=value`.
        png: the file for a picture of layers x epochs; None draws none.
        why: also show the reasons why segments are not cached.

    Raises:
        SpecError: the specification is invalid.
    """
    spec, folder = load_spec(file, overrides)
    if png is not None and not png.absolute().parent.is_dir():
        raise SpecError("--png", f"there is no folder {png.absolute().parent}")
    run = TrainingRun.of(RunInputs.of(spec, folder, store, name))
    plan = run.plan()
    reasons = explain_cache_misses(run.planning, plan) if why else None
    if png is not None:
        from handler.report.schedule_png import draw_schedule

        draw_schedule(plan, png)
    picture = None if png is None else str(png)
    answer = PlanAnswer(**plan.model_dump() | {"store": store, "png": picture, "why": reasons})
    rows = [
        (
            f"{s.start}-{s.end}",
            listing(s.frozen, 3),
            f"{len(s.trainable)} layer{'' if len(s.trainable) == 1 else 's'}",
            f"{s.trainable_parameters:,}",
            Text(s.rate_text, style="bold" if s.sets_learning_rate else ""),
            Text("yes", style="green") if s.cached else "no" if s.why == NOT_TRAINED else s.why,
        )
        for s in plan.segments
    ]
    names = ("epochs", "frozen", "trainable", "parameters", "rate", "cached")
    left = plan.epochs - plan.cached_epochs
    line = f"{plan.epochs} epochs, {left} to train; {plan.parameters:,} parameters"
    if plan.estimated_seconds is not None and left:
        line += f"; about {duration(plan.estimated_seconds)}"
    if plan.estimated_bytes and left:
        line += f"; about {size(plan.estimated_bytes)} on disk"
    warnings = [Text.assemble(("warning:", "yellow"), f" {text}") for text in plan.warnings]
    weights = [Text(plan.initial_weights.text)] if plan.initial_weights else []
    lines = [line, *weights, *([f"picture: {png}"] if png else []), *_prefix_lines(plan), *warnings]
    output.answer(answer, table(*names, rows=rows, title=f"plan of {plan.run}"), *lines, *_reason_lines(plan, reasons))


def _prefix_lines(plan: Plan) -> list[str]:
    """Return lines about the frozen prefixes, each for the segments that share it.

    A line gives the time that the activation cache saves and its size, or the reason why there is none.
    """
    spans: dict[str, list[str]] = {}
    for segment in plan.segments:
        prefix = segment.prefix
        if prefix is None or not segment.frozen:
            continue
        text = f"activations not cached ({prefix.why})"
        if prefix.used:
            needed = f"{size(prefix.bytes_per_example)} an example" if prefix.bytes is None else size(prefix.bytes)
            text = f"activations cached, saves about {prefix.saves:.0%} of a step, {needed}"
        spans.setdefault(text, []).append(f"{segment.start}-{segment.end}")
    return [f"frozen prefix, epochs {', '.join(at)}: {text}" for text, at in spans.items()]


def _reason_lines(plan: Plan, reasons: list[Reason] | None) -> list[str]:
    """Return the reasons as sentences."""
    if reasons is None:
        return []
    spans = {segment.index: f"epochs {segment.start}-{segment.end}" for segment in plan.segments}
    sentences = [f"{spans[r.segment]}: {r.text}" if r.segment is not None else r.text for r in reasons]
    return sentences or ["everything is cached"]
