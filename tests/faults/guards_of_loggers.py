"""The guards of the files that CSVLogger and TensorBoard write in a training that is killed and resumed."""

import ast

from tests.faults.guard import Guard
from tests.faults.operators import left_operand, never, outermost, remove, replace, returns, then_value

ENGINE_LOGGERS = "tests/handler/engine/test_loggers.py::test_"
CURVES = ENGINE_LOGGERS + "curves_after_a_kill_have_every_step_once_with_its_value"
LOGGERS = [
    Guard(
        "csv-cut-to-state",
        "killed after a row was written and before its state",
        "the file of the CSVLogger is cut to its length in the state",
        replace("text", of=outermost(ast.Subscript), text="value"),
        ENGINE_LOGGERS + "a_csv_after_a_kill_is_the_same_bytes",
    ),
    Guard(
        "csv-appends",
        "a resumed CSVLogger would overwrite its file",
        "it appends",
        remove(),
        ENGINE_LOGGERS + "a_csv_after_a_kill_is_the_same_bytes",
    ),
    Guard(
        "csv-rows-from-history",
        "the epochs before were trained by another run, with a CSV file of its own",
        "their rows are written from the history",
        left_operand(),
        ENGINE_LOGGERS + "a_csv_begun_from_another_runs_state_has_that_runs_rows",
    ),
    Guard(
        "csv-of-another-training",
        "another training has written the same CSV file in the meantime",
        "the file is compared with its digest in the state",
        returns("True"),
        ENGINE_LOGGERS + "a_csv_of_another_training_in_the_same_place_is_not_taken_for_ones_own",
    ),
    Guard(
        "csv-columns",
        "a later epoch has metrics that the first did not have",
        "the columns stay those of the first epoch",
        remove(),
        ENGINE_LOGGERS + "columns_are_those_of_the_first_epoch_and_values_stay_as_they_were_written",
    ),
    Guard(
        "events-cut-to-state",
        "killed after curves were written and before their state",
        "the files of TensorBoard are cut to their length in the state",
        remove(),
        CURVES,
    ),
    Guard(
        "later-event-files-removed",
        "a killed process created new event files after the state",
        "they are removed",
        remove(),
        CURVES,
    ),
    Guard(
        "tensorboard-step-count",
        "TensorBoard counts batches from 0 in a resumed training",
        "its counter is set to that of the state",
        remove(),
        CURVES,
    ),
    Guard(
        "curves-from-history",
        "the epochs before were trained by another run, with curves of its own",
        "their curves are written from the history",
        remove(),
        ENGINE_LOGGERS + "curves_begun_from_another_runs_state_have_its_epochs",
    ),
    Guard(
        "log-of-another-training",
        "another training has written into the same folder of logs since",
        "its files are not cut",
        never(),
        ENGINE_LOGGERS + "what_another_training_wrote_into_the_same_folder_stays",
    ),
    Guard(
        "torn-mark-on-its-own-line",
        "killed while the length of a logger's file is being recorded",
        "the torn record stays on a line of its own and is skipped",
        replace(r'f"{mark}\n"', of=outermost(ast.JoinedStr), mark="values.1.value"),
        ENGINE_LOGGERS + "a_mark_that_was_being_written_is_passed_over",
    ),
    Guard(
        "mark-checksum",
        "a byte of the recorded lengths of a logger's file is flipped",
        "each record has a checksum",
        then_value(),
        ENGINE_LOGGERS + "damaged_marks_are_passed_over_and_the_rows_are_the_same_bytes",
    ),
]
