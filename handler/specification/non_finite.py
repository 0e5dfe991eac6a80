"""How `training.non_finite` is written."""

from __future__ import annotations

from typing import Literal

# A loss, a metric or a weight that becomes NaN or infinite ends the training, or is said and the training continues.
# The choice decides no bit of a finite state, so it enters no key.
NonFinite = Literal["stop", "continue"]
