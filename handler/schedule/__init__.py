"""The schedule: the layers that are frozen in each epoch, as plain data without TensorFlow.

Read `entries`, `strategies`, `layer_outline`, `layer_selection`, `schedule`.
"""

from handler.public_names import import_on_first_use

_PUBLIC = {
    "Op": "handler.schedule.layer_selection",
    "Schedule": "handler.schedule.schedule",
    "Segment": "handler.schedule.schedule",
    "check_schedule": "handler.schedule.schedule",
    "compute_schedule": "handler.schedule.schedule",
    "random_turns": "handler.schedule.schedule",
    "round_robin_turns": "handler.schedule.schedule",
}
__all__ = list(_PUBLIC)
__getattr__, __dir__ = import_on_first_use(__name__, _PUBLIC)
