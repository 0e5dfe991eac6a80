import pytest
import yaml

from tests.handler.report.report_samples import SPEC, made_record


@pytest.fixture
def record():
    return made_record()


@pytest.fixture
def folder(tmp_path, record):
    found = tmp_path / "store" / "runs" / record.run
    found.mkdir(parents=True)
    (found / "spec.yaml").write_text(yaml.safe_dump(SPEC, sort_keys=False))
    return found
