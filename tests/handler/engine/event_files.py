"""The curves in the event files of a TensorBoard log directory."""

from tensorboard.backend.event_processing.event_accumulator import STORE_EVERYTHING_SIZE_GUIDANCE, EventAccumulator
from tensorboard.util.tensor_util import make_ndarray


def curves(folder):
    """Return the curves of a log directory: (part, name) -> all its (step, value), sorted by step.

    The files have no order if they are made within the same second.
    """
    curves_by_name = {}
    for part in sorted(path for path in folder.iterdir() if path.is_dir()):
        events = EventAccumulator(str(part), STORE_EVERYTHING_SIZE_GUIDANCE, purge_orphaned_data=False)
        events.Reload()
        for name in events.Tags()["tensors"]:
            points = [(event.step, make_ndarray(event.tensor_proto)) for event in events.Tensors(name)]
            curves_by_name[part.name, name] = sorted([(step, value.tolist()) for step, value in points], key=lambda point: point[0])
    return curves_by_name
