"""The guards of what data files do: damage that ends a reader, units that aren't metres, noise."""

from tests.faults.guard import Guard

DAMAGED = "tests/handler/data/test_damaged_files.py::test_"
CLOUDS = "tests/handler/data/test_clouds.py::test_"
FILES = [
    Guard(
        "a damaged .laz makes its reader read without end",
        "the reader is a process, and is ended",
        "handler/data/reader_process.py",
        "        late.set()\n        process.kill()\n",
        "        late.set()\n",
        DAMAGED + "a_reader_that_never_ends_is_ended",
    ),
    Guard(
        "a damaged .laz aborts its reader",
        "one sentence names the signal that ended it",
        "handler/data/reader_process.py",
        "    if code < 0:",
        "    if code == 0:",
        DAMAGED + "a_reader_that_dies_is_told_by_its_signal",
    ),
    Guard(
        "a record of a .las file reaches beyond the file",
        "its length is compared with the file's size",
        "handler/data/las_header.py",
        "        if begin > end:",
        "        if False:",
        DAMAGED + "a_record_that_reaches_beyond_the_file_is_refused",
    ),
    Guard(
        "the header of an archive's array lies about its size",
        "compared before the array is read",
        "handler/data/npz.py",
        "if not dtype.hasobject and size != math.prod(shape) * dtype.itemsize:",
        "if False:",
        DAMAGED + "an_archive_whose_headers_lie_is_refused",
    ),
    Guard(
        "a chunk of a zarr group is damaged",
        "one sentence that names array and group",
        "handler/data/stored_array.py",
        "except Exception as error:",
        "except KeyError as error:",
        DAMAGED + "a_damaged_zarr_group_is_read_or_refused",
    ),
    Guard(
        "a tile in feet has the fields of one in metres",
        "its unit is in the key of the fields",
        "handler/data/clouds.py",
        "return digest if scale == (1.0, 1.0) else ",
        "return digest if scale else ",
        CLOUDS + "fields_in_feet_are_those_in_metres_and_have_another_key",
    ),
    Guard(
        "a training on feet answers from states made when feet were taken for metres",
        "its unit is declared",
        "handler/declared.py",
        "if any(scale != [1.0, 1.0] for scale in scales)",
        "if False",
        "tests/handler/test_declared.py::test_the_unit_of_a_tile_enters_where_it_is_not_the_metre",
    ),
    Guard(
        "noise shifts the ground under the points around it",
        "the codes of leave_out are no part of the cloud",
        "handler/data/clouds.py",
        'clouds = [without(cloud, args.leave_out, "data.source") for cloud in training.read()]',
        "clouds = training.read()",
        CLOUDS + "points_that_are_left_out_are_no_part_of_features_and_fields",
    ),
]
