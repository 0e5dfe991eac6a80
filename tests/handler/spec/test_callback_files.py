"""Names of files that callbacks write: none leaves the run's folder or is one of the run's own files."""

import pytest

from handler.errors import SpecError
from handler.spec.callback_files import resolve_output_file
from handler.spec.reader import parse_spec
from tests.good_spec import changed


def written(kind, name, **more):
    """Return a specification with one callback that writes."""
    argument = {"CSVLogger": "filename", "ModelCheckpoint": "filepath", "TensorBoard": "log_dir"}[kind]
    return parse_spec(changed({"training.callbacks": [{"name": kind, argument: name, **more}]}))


LEAVING = {
    "a path of the system": "/etc/log.csv",
    "a folder above": "../log.csv",
    "a folder above, on the way": "a/../../log.csv",
    "a folder above, with a backslash": "..\\log.csv",
    "the record": "run.json",
    "the record, in other letters": "RUN.JSON",
    "the record, by a detour": "./run.json",
    "a folder called as the record": "run.json/log.csv",
    "the stored specification": "spec.yaml",
    "the history": "history.csv",
    "the report": "report.html",
    "the model": "model.keras",
    "the lock": "lock",
    "the answer of a sweep's run": "answer.json",
    "a hidden file": ".log.csv.marks",
    "a hidden folder": ".tmp-1-00000000-x/log.csv",
    "a module": "evil.py",
    "a module in a folder": "pkg/__init__.PY",
    "compiled code": "evil.so",
    "what Python reads at its start": "evil.pth",
    "a null byte": "log\0.csv",
    "a line's end": "log\n.csv",
    "a terminal's command": "log\x1b]0;x\x07.csv",
    "half a character": "log\udc80.csv",
    "no name": "",
    "a name that is too long": "a" * 300,
    "too many folders": "a/" * 2000 + "log.csv",
    "no text": ["log.csv"],
}
FORMATTED = {
    "an attribute that becomes dots": "{epoch.__doc__:.<2.0}/{epoch.__doc__:.<2.0}/esc.keras",
    "an attribute": "{epoch.__class__}.keras",
    "an item": "{loss[0]}.keras",
    "a conversion": "{epoch!r}.keras",
    "dots for digits": "{epoch:.>2}/x.keras",
    "a slash for digits": "{epoch:/>9}/x.keras",
    "a field in a format": "{epoch:{epoch}}.keras",
    "a width that fills the disk": "{epoch:999999999}.keras",
    "a field without a name": "{}.keras",
    "a field by number": "{0}.keras",
    "an unknown field": "{accuracy_of_all}.keras",
    "validation that there isn't": "{val_loss:.3f}-{nothing}.keras",
    "a batch without batches": "{batch}.keras",
    "a whole number that isn't": "{loss:d}.keras",
    "an open brace": "{epoch.keras",
    "the record": "run.json",
    "names that only formatting makes too long": "{loss:99f}{loss:99f}{loss:99f}.keras",
    "a folder above behind a field": "{epoch}/../../x.keras",
}  # fmt: skip


@pytest.mark.parametrize("kind", ["CSVLogger", "ModelCheckpoint", "TensorBoard"])
@pytest.mark.parametrize("tried", LEAVING)
def test_a_file_name_that_leaves_or_overwrites_the_run_is_refused(tried, kind):
    with pytest.raises(SpecError, match=r"^training.callbacks\[0\].(filename|filepath|log_dir): ") as refused:
        written(kind, LEAVING[tried])
    assert "\n" not in str(refused.value)
    assert "\x1b" not in str(refused.value)


@pytest.mark.parametrize("tried", FORMATTED)
def test_a_file_name_with_more_than_plain_fields_is_refused(tried):
    with pytest.raises(SpecError, match=r"^training.callbacks\[0\].filepath: ") as refused:
        written("ModelCheckpoint", FORMATTED[tried])
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["best.keras", "{epoch:02d}-{loss:.3f}.keras", "{epoch}/{accuracy:08.4f}.keras", "{{x}}-{val_accuracy:%}.keras", "ä ö.keras"])
def test_file_names_below_the_folder_are_accepted(name):
    written("ModelCheckpoint", name)
    written("CSVLogger", name)  # CSVLogger does not format the name


def test_a_checkpoint_name_within_an_epoch_may_use_batch_only():
    written("ModelCheckpoint", "{epoch}-{batch}.keras", save_freq=5)
    with pytest.raises(SpecError, match="has the field 'val_loss', which will not exist"):
        written("ModelCheckpoint", "{val_loss}.keras", save_freq=5)


@pytest.mark.parametrize("name", ["../../../etc/passwd", "/etc/passwd", {"layer": "../x.tsv"}], ids=str)
def test_tensorboard_metadata_outside_the_folder_is_refused(name):
    with pytest.raises(SpecError, match=r"embeddings_metadata: .* leaves the run's folder"):
        written("TensorBoard", "logs", embeddings_metadata=name)


def test_links_in_the_runs_folder_reach_no_protected_file(tmp_path):
    folder = tmp_path / "run"
    (folder / "inner").mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    (folder / "out").symlink_to(tmp_path)
    (folder / "log.csv").symlink_to(tmp_path / "log.csv")
    (folder / "x.csv").symlink_to(folder / "run.json")
    (folder / "inner" / "x.csv").symlink_to(folder / ".log.csv.marks")
    (folder / "round").symlink_to(folder / "round")
    for name, said in {
        "out/x.csv": "is a link to .*, outside of the run's folder",
        "log.csv": "is a link to .*, outside of the run's folder",
        "x.csv": "'run.json' is a file of the run itself",
        "inner/x.csv": "is hidden",
    }.items():
        with pytest.raises(SpecError, match=said):
            resolve_output_file(folder, name, "filename")
    assert resolve_output_file(folder, "inner/y.csv", "filename") == folder.resolve() / "inner" / "y.csv"
