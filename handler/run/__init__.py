"""A training from a specification, in a store, stage by stage.

Read `inputs`, `training_run`, `planner`, `components`, `builders`; then `resumption`, `replaced_run` and `divergence`
for the second start of a run, `initial_weights` and `weights_file` for pretrained weights, and `cache_misses` for the
plan.
"""

from handler.public_names import import_on_first_use

_PUBLIC = {
    "RunInputs": "handler.run.inputs",
    "TrainingRun": "handler.run.training_run",
}
__all__ = list(_PUBLIC)
__getattr__, __dir__ = import_on_first_use(__name__, _PUBLIC)
