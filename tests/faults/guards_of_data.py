"""The guards of data files (damage, units, noise) and of the user's code (failures, folders, random draws, files it reads)."""

import ast

from tests.faults.guard import Guard
from tests.faults.operators import call_gives, catch, condition, left_operand, never, outermost, remove, replace, value

READER_PROCESS = "tests/handler/data/test_reader_process.py::test_"
RANDOM_SEEDS = "tests/handler/user_code/test_random_seeds.py::test_"
CLOUDS = "tests/handler/data/test_field_dataset.py::test_"
DAMAGED_FILES = "tests/handler/data/faults/test_damaged_files.py::test_"
DECLARED = "tests/handler/fingerprint/test_declaration.py::test_"
USER_CODE = "tests/handler/user_code/test_boundary.py::test_"
DATA = [
    Guard(
        "endless-reader-killed",
        "a damaged .laz file makes its reader read forever",
        "the reader is a process and is killed",
        remove(),
        READER_PROCESS + "a_reader_that_hangs_is_killed",
    ),
    Guard(
        "aborted-reader-named",
        "a damaged .laz file aborts its reader",
        "the message names the signal that ended the reader",
        replace("code == 0", of=condition, code="left"),
        READER_PROCESS + "the_error_of_a_killed_reader_names_its_signal",
    ),
    Guard(
        "las-record-within-file",
        "a record of a .las file reaches beyond the file",
        "its length is compared with the size of the file",
        never(),
        DAMAGED_FILES + "a_record_that_reaches_beyond_the_file_is_refused",
    ),
    Guard(
        "npz-size-in-header",
        "the header of an array in an archive states a wrong size",
        "it is compared before the array is read",
        never(),
        DAMAGED_FILES + "an_archive_with_false_headers_is_refused",
    ),
    Guard(
        "damaged-zarr-chunk",
        "a chunk of a zarr group is damaged",
        "the message names the array and the group",
        catch("KeyError"),
        DAMAGED_FILES + "a_damaged_zarr_group_is_read_or_refused",
    ),
    Guard(
        "unit-in-key-of-fields",
        "a tile in feet would get the fields of one in metres",
        "the key of the fields holds the unit",
        left_operand(),
        CLOUDS + "fields_in_feet_equal_those_in_metres_under_another_key",
    ),
    Guard(
        "unit-declared",
        "a training on feet would take states from when feet were read as metres",
        "the unit is declared",
        never(),
        DECLARED + "the_unit_of_a_tile_enters_unless_it_is_the_metre",
    ),
    Guard(
        "left-out-points",
        "noise moves the ground below the points around it",
        "points with a code in `leave_out` are removed from the cloud",
        replace("training.read()", of=value, training="generators.0.iter.func.value"),
        CLOUDS + "left_out_points_affect_neither_features_nor_fields",
    ),
    Guard(
        "memmap-not-reordered",
        "a memory-mapped file would be reordered on disk",
        "refused",
        never(),
        "tests/handler/engine/test_sequencer.py::test_a_permutation_in_place_refuses_writable_file_maps",
    ),
    Guard(
        "code-ends-process",
        "the user's code ends the process",
        "that is reported as a failure of the code",
        remove(),
        USER_CODE + "a_module_that_exits_on_import_is_a_user_code_error",
    ),
    Guard(
        "code-runs-in-its-folder",
        "a relative path in the user's code",
        "the code runs in the folder of the specification",
        remove(),
        USER_CODE + "user_code_runs_in_its_folder",
    ),
    Guard(
        "data-function-seeded",
        "a data function draws without a seed of its own",
        "the global generators are seeded before it is called",
        never(),
        RANDOM_SEEDS + "unseeded_draws_of_a_function_repeat_for_the_same_seed",
    ),
    Guard(
        "data-files-in-key",
        "files that a data function reads change",
        "the key holds the digests of `data.files`",
        call_gives("of_all", '""'),
        DECLARED + "data_files_enter_by_content",
    ),
    Guard(
        "digest-remembered-with-inode",
        "a file gets other content with the same size and modification time",
        "its digest is remembered with its inode and the time of its last change",
        replace("known[:2] == stamp[:2]", of=outermost(ast.Compare), known="left.value", stamp="comparators.0"),
        "tests/handler/fingerprint/declaration/test_file_digests.py::test_new_content_of_the_same_size_and_times_is_detected",
    ),
]
