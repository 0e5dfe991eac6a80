"""Model of `training.snapshot`."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from handler.validation.models import Count, Given


class SnapshotOptions(Given):
    """The interval of snapshots, which limits the work a kill can lose: an epoch, or fewer steps if set."""

    model_config = ConfigDict(title="Snapshots")
    steps: Count | None = Field(
        default=None,
        title="Steps",
        description="Also take a snapshot every so many steps of an epoch; left out: after each epoch only.",
    )
