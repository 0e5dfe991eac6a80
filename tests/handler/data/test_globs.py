"""Globs of data files."""

import pytest

from handler.data.data_spec import DataSpec
from handler.data.sources import load
from handler.errors import SpecError
from tests.handler.data.conftest import same

FIELDS = {"radius": 4.0, "points": 64, "count": 6}


def cloud_spec(source, **args):
    return DataSpec(source=source, args={"receptive_fields": FIELDS, "features": ["intensity", "z_std_16"], **args})


def test_a_glob_and_a_list_in_any_order_give_equal_fields(tmp_path, tiles):
    globbed = load(cloud_spec("tiles/?.laz"), tmp_path, seed=1)
    assert same(globbed, load(cloud_spec([str(tiles[1]), "tiles/a.laz"]), tmp_path, seed=1))
    assert not same(globbed, load(cloud_spec("tiles/a.laz"), tmp_path, seed=1))


def test_a_file_that_vanishes_after_its_glob_matched_is_refused(tmp_path, monkeypatch):
    from handler.data import sources
    from handler.fingerprint.declaration import FileDigests

    gone = tmp_path / "tiles" / "gone.laz"
    (tmp_path / "tiles").mkdir()
    monkeypatch.setattr(sources, "matches", lambda pattern, folder, where: [gone])  # the file vanished after the glob matched it
    data = DataSpec(source="tiles/*.laz")
    for read in (
        lambda: load(data, tmp_path, seed=1),
        lambda: FileDigests(None).of(gone),
        lambda: FileDigests(None).of_all({"gone": gone}),
    ):
        with pytest.raises(SpecError, match=r"gone\.laz"):
            read()
