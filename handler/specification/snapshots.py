"""How `training.snapshot` is written."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from handler.specification.refusals import Count, Given


class SnapshotOptions(Given):
    """What a kill may cost: a snapshot is taken after every epoch, and more often if asked."""

    model_config = ConfigDict(title="Snapshots")
    steps: Count | None = Field(
        default=None,
        title="Steps",
        description="Also take a snapshot every so many steps of an epoch; left out: after each epoch only.",
    )
