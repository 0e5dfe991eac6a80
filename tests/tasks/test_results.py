import numpy as np
import pytest

from handler.records import SegmentRecord
from handler.store.store import Store
from handler.store.training_state import TrainingState
from tasks.results import SegmentResult


@pytest.fixture
def result(tmp_path):
    """Return the result of a segment whose state is in a store."""
    key = "a" * 32
    Store(tmp_path).states.write(key, TrainingState(epoch=2, arrays={"model/0000 w": np.arange(6.0)}))
    record = SegmentRecord(index=0, start=0, end=2, state=key, source="trained", trained_epochs=2, seconds=1.5)
    return SegmentResult(store=str(tmp_path), record=record)


def test_a_result_with_its_state_is_read_back_from_json(result):
    assert SegmentResult.model_validate_json(result.model_dump_json()) == result


def test_a_result_without_its_state_is_invalid(result, tmp_path):
    Store(tmp_path).states.remove(result.record.state)
    with pytest.raises(ValueError, match=f"the state {result.record.state} is missing"):
        SegmentResult.model_validate_json(result.model_dump_json())


def test_a_result_with_a_truncated_state_is_invalid(result, tmp_path):
    file = max(Store(tmp_path).states.folder(result.record.state).rglob("c/*"), key=lambda path: path.stat().st_size)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ValueError, match="isn't intact"):
        SegmentResult.model_validate_json(result.model_dump_json())
