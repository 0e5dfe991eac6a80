"""The guards of the files that CSVLogger and TensorBoard write in a training that is killed and resumed."""

import ast

from tests.faults.guard import Guard
from tests.faults.operators import left_operand, never, outermost, remove, replace, returns, then_value

CSV_LOG = "tests/handler/engine/loggers/test_csv_log.py::test_"
EVENT_LOG = "tests/handler/engine/loggers/test_event_log.py::test_"
LOG_FILES = "tests/handler/engine/loggers/test_log_files.py::test_"
CURVES = EVENT_LOG + "curves_after_a_kill_have_every_step_once"
LOGGERS = [
    Guard(
        "csv-cut-to-state",
        "killed after a row was written and before its state",
        "the file of the CSVLogger is cut to its length in the state",
        replace("text", of=outermost(ast.Subscript), text="value"),
        CSV_LOG + "a_csv_after_a_kill_is_byte_identical",
    ),
    Guard(
        "csv-appends",
        "a resumed CSVLogger would overwrite its file",
        "it appends",
        remove(),
        CSV_LOG + "a_csv_after_a_kill_is_byte_identical",
    ),
    Guard(
        "csv-rows-from-history",
        "the epochs before were trained by another run, with a CSV file of its own",
        "their rows are written from the history",
        left_operand(),
        CSV_LOG + "a_csv_started_from_another_runs_state_has_its_rows",
    ),
    Guard(
        "csv-of-another-training",
        "another training has written the same CSV file in the meantime",
        "the file is compared with its digest in the state",
        returns("True"),
        CSV_LOG + "a_csv_file_of_another_training_is_replaced",
    ),
    Guard(
        "csv-columns",
        "a later epoch has metrics that the first did not have",
        "the columns stay those of the first epoch",
        remove(),
        CSV_LOG + "csv_columns_stay_those_of_the_first_epoch",
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
        EVENT_LOG + "curves_started_from_another_runs_state_have_its_epochs",
    ),
    Guard(
        "log-of-another-training",
        "another training has written into the same folder of logs since",
        "its files are not cut",
        never(),
        EVENT_LOG + "event_files_of_another_training_are_kept",
    ),
    Guard(
        "torn-mark-on-its-own-line",
        "killed while the length of a logger's file is being recorded",
        "the torn record stays on a line of its own and is skipped",
        replace(r'f"{mark}\n"', of=outermost(ast.JoinedStr), mark="values.1.value"),
        LOG_FILES + "a_partly_written_mark_is_ignored",
    ),
    Guard(
        "mark-checksum",
        "a byte of the recorded lengths of a logger's file is flipped",
        "each record has a checksum",
        then_value(),
        LOG_FILES + "damaged_marks_are_ignored_without_loss_of_rows",
    ),
]
