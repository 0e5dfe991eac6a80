"""What a flow run that Prefect's server started may touch: whoever reaches the server is not whoever owns the machine.

The code that a specification names lies in the worker's own project (or in modules that `FROSTLINE_ALLOWED_MODULES`
names); specification, data and store lie there too, or below a folder or a URL of `FROSTLINE_DATA_ROOTS` (separated
like a PATH). What is typed by hand on a machine isn't limited.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import prefect.runtime

from handler.data.sources import files
from handler.errors import SpecError
from handler.run import RunInputs
from handler.spec import TrainingSpec
from handler.specification.code import allowed_elsewhere
from handler.specification.named import is_reference
from handler.specification.references import references
from handler.store.remote import url_of

ROOTS = "FROSTLINE_DATA_ROOTS"


def is_from_outside() -> bool:
    """Whether this flow run was started by a deployment, so perhaps through the server's API."""
    flow_run = prefect.runtime.flow_run.id
    return prefect.runtime.deployment.id is not None if flow_run is None else _is_deployed(flow_run)


@lru_cache(maxsize=1)  # the server is asked each time, and has one answer
def _is_deployed(flow_run: str) -> bool:
    return prefect.runtime.deployment.id is not None


def admit_path(field: str, path: str | Path | None) -> None:
    """Refuses a path that a flow run from outside may not touch, links followed.

    Args:
        field: what it was given as.
        path: the path; None is none.

    Raises:
        SpecError: names the field, the path and what would do.
    """
    if path is None or not is_from_outside():
        return
    named = [root for root in re.split(r":(?!//)", os.environ.get(ROOTS, "")) if root]
    if not any(_is_below(path, root) for root in [str(Path.cwd()), *named]):
        raise SpecError(
            field,
            f"{path} is outside of the worker's project ({Path.cwd()}) and of {ROOTS} ({', '.join(named) or 'not set'})"
            "; put it there, or name its folder in that variable where the worker runs",
        )


def admit(inputs: RunInputs) -> None:
    """Refuses a training that reads or runs what a flow run from outside may not; its store, `admit_path` does.

    Raises:
        SpecError: names the field, the path or module and what would do.
    """
    if not is_from_outside():
        return
    for field, reference in references(inputs.spec):
        if not allowed_elsewhere(reference.split(":")[0]) and not _is_below(inputs.folder, Path.cwd()):
            raise SpecError(
                field,
                f"{reference!r} is looked up in {inputs.folder}, outside of the worker's project ({Path.cwd()}); put "
                "it there, or name its module in FROSTLINE_ALLOWED_MODULES where the worker runs",
            )
    for field, path in _read(inputs.spec, Path(inputs.folder)):
        admit_path(field, path)


def _read(spec: TrainingSpec, folder: Path) -> Iterator[tuple[str, Path]]:
    """The files a training reads, and what its patterns and the links in its groups lead to."""
    for field, source in (("data.source", spec.data.source), ("data.validation", spec.data.validation)):
        for item in source if isinstance(source, list) else [source] if source else []:
            if item != "synthetic" and not is_reference(item):
                yield field, folder / re.split(r"[*?\[]", item)[0]  # before a file's absence would say anything of it
    for file in files(spec.data, folder):
        yield "data.source", file
    if spec.model.weights is not None and not spec.model.weights.startswith("run:"):
        yield "model.weights", folder / spec.model.weights


def _is_below(path: str | Path, root: str | Path) -> bool:
    url, allowed = url_of(path), url_of(root)
    if url is not None or allowed is not None:
        return url is not None and allowed is not None and f"{url}/".startswith(f"{allowed}/")
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))
