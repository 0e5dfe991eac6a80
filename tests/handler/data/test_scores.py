import numpy as np
import pytest

from handler.data.scores import scores

NAMES = ("ground", "vegetation", "building")


def test_scores_agree_with_a_manual_confusion_matrix():
    true = [0, 0, 0, 0, 1, 1, 1, 2, 2, -1, -1]
    predicted = [0, 0, 0, 1, 1, 1, 2, 2, 0, 0, 2]
    result = scores(np.array(true), np.array(predicted), NAMES)
    assert result["confusion_matrix"] == [[3, 1, 0], [0, 2, 1], [1, 0, 1]]
    assert result["points"] == 9
    assert result["overall_accuracy"] == pytest.approx(6 / 9)
    assert [result["classes"][name]["iou"] for name in NAMES] == pytest.approx([3 / 5, 2 / 4, 1 / 3])
    assert [result["classes"][name]["f1"] for name in NAMES] == pytest.approx([6 / 8, 4 / 6, 2 / 4])
    assert result["classes"]["ground"]["precision"] == pytest.approx(3 / 4)
    assert result["classes"]["vegetation"]["recall"] == pytest.approx(2 / 3)
    assert result["classes"]["building"]["points"] == 2
    assert result["mean_iou"] == pytest.approx(np.mean([3 / 5, 2 / 4, 1 / 3]))


def test_an_absent_class_has_no_scores():
    result = scores(np.array([0, 0, 1]), np.array([0, 1, 1]), NAMES)
    assert result["classes"]["building"] == {"points": 0, "precision": None, "recall": None, "f1": None, "iou": None}


def test_an_absent_class_does_not_count_in_the_mean():
    assert scores(np.array([0, 0, 1]), np.array([0, 1, 1]), NAMES)["mean_iou"] == pytest.approx(0.5)


def test_a_class_that_is_only_predicted_has_an_iou_of_zero():
    result = scores(np.array([0, 0, 1]), np.array([0, 2, 1]), NAMES)
    assert result["classes"]["building"]["iou"] == 0.0
    assert result["mean_iou"] == pytest.approx((0.5 + 1 + 0) / 3)


@pytest.mark.parametrize(("true", "predicted", "message"), [
    ([-1, -1], [0, 1], "no point is labelled"),
    ([0, 1], [0], "2 labels and 1 predictions"),
    ([0, 1], [0, 3], "outside 0 to 2"),
    ([0, 3], [0, 1], "outside 0 to 2")])
def test_invalid_labels_and_predictions_are_refused(true, predicted, message):
    with pytest.raises(ValueError, match=message):
        scores(np.array(true), np.array(predicted), NAMES)
