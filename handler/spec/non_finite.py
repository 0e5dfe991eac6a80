"""Type of `training.non_finite`."""

from __future__ import annotations

from typing import Literal

# A loss, metric or weight that becomes NaN or infinite ends the training, or is reported and the training continues.
# The choice does not affect a finite state, so it is not part of the key.
NonFinite = Literal["stop", "continue"]
