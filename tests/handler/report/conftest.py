import pytest
import yaml

from tests.handler.report.report_samples import SPEC, made_record


@pytest.fixture
def record():
    return made_record()


@pytest.fixture
def folder(tmp_path, record):
    folder = tmp_path / "store" / "runs" / record.run
    folder.mkdir(parents=True)
    (folder / "spec.yaml").write_text(yaml.safe_dump(SPEC, sort_keys=False))
    return folder
