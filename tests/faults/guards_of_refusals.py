"""The guards of changed data, code and environments, and of networks that are not reproducible: each is refused or reported."""

import ast

from tests.faults.guard import Guard
from tests.faults.operators import call_gives, drop_arguments, drop_element, never, outermost, remove, replace

HANDLER_REFUSALS = "tests/handler/run/refusals/test_mismatches.py::test_"
HIDDEN_STATE = "tests/handler/engine/test_hidden_state.py::test_"
RUN = "tests/handler/run/test_training_run.py::test_"
ENVIRONMENT = HANDLER_REFUSALS + "a_changed_environment_field_is_refused_with_both_values"
REFUSALS = [
    Guard(
        "tensorflow-random-state",
        "a network draws from TensorFlow's own random state",
        "refused, with the name of the operation",
        never(),
        HIDDEN_STATE + "a_network_with_hidden_state_is_refused_by_name",
    ),
    Guard(
        "variable-unknown-to-keras",
        "a layer has a variable that Keras does not know",
        "refused, with the name of the variable",
        never(),
        HIDDEN_STATE + "a_network_with_hidden_state_is_refused_by_name",
    ),
    Guard(
        "python-function-draws",
        "a Python function inside a step draws random numbers",
        "refused, with the source of the draws",
        never(),
        HIDDEN_STATE + "a_python_function_that_draws_in_a_step_is_refused",
    ),
    Guard(
        "data-changed",
        "the data changed but their declaration did not",
        "refused, with the stored and the present digests",
        remove(),
        RUN + "undeclared_changes_of_data_are_refused",
    ),
    Guard(
        "validation-data-changed",
        "the validation data changed but their declaration did not",
        "refused, with the stored and the present digests",
        drop_arguments("check_digests", 3),
        HANDLER_REFUSALS + "undeclared_changes_of_validation_data_are_refused",
    ),
    Guard(
        "initial-values-changed",
        "a network has other initial values each time it is built",
        "refused",
        remove(),
        HANDLER_REFUSALS + "a_network_with_irreproducible_initial_values_is_refused",
    ),
    Guard(
        "environment-changed",
        "another environment: threads, determinism, oneDNN, versions, processor",
        "refused, with the field, the stored and the present value",
        never(),
        ENVIRONMENT,
    ),
    Guard(
        "every-environment-field-compared",
        "a field of the environment is recorded but not compared",
        "all fields but the version of Python are compared",
        replace('compared - {"caches"}', of=outermost(ast.BinOp), compared=""),
        ENVIRONMENT,
    ),
    Guard(
        "allowed-change-recorded",
        "a change of the environment was allowed, and nothing says so later",
        "it is recorded with the states",
        remove(),
        HANDLER_REFUSALS + "an_allowed_change_is_noted_in_every_run_that_shares_it",
    ),
    Guard(
        "rate-in-key",
        "another mask or learning rate from some epoch on",
        "the keys from that epoch on hold both",
        drop_element(2),
        RUN + "changing_the_last_entry_retrains_only_from_its_first_epoch",
    ),
    Guard(
        "resumed-with-changed-inputs",
        "a run is resumed with changed code or data",
        "refused, with the name of the file",
        never(),
        "tests/flows/refusals/test_mismatches.py::test_resume_refuses_a_run_with_a_changed_data_file_by_name",
    ),
    Guard(
        "why-not-cached",
        "a segment is not cached, and the reason is unknown",
        "`plan --why` names the first field that differs",
        call_gives("_other_declaration", "()"),
        "tests/handler/run/test_cache_misses.py::test_a_changed_field_is_named",
    ),
]
