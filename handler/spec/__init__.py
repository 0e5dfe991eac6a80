"""The specification of a training: the fields that a user writes, read and checked.

Read `training_spec` and `reader`. `document` and `yaml_loader` read the text; each other file checks one field or rule.
"""

from handler.public_names import import_on_first_use

_PUBLIC = {
    "CallbackSpec": "handler.spec.callbacks",
    "CompileSpec": "handler.spec.training_spec",
    "DataSpec": "handler.data.data_spec",
    "Entry": "handler.schedule.entries",
    "ModelSpec": "handler.spec.training_spec",
    "TrainingOptions": "handler.spec.training_options",
    "TrainingSpec": "handler.spec.training_spec",
    "check_run_name": "handler.validation.run_name",
    "dump_spec": "handler.spec.reader",
    "load_spec": "handler.spec.reader",
    "parse_spec": "handler.spec.reader",
    "read_spec": "handler.spec.reader",
    "resolve_function": "handler.user_code.importer",
    "spec_error": "handler.validation.models",
}
__all__ = list(_PUBLIC)
__getattr__, __dir__ = import_on_first_use(__name__, _PUBLIC)
