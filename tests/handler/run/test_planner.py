"""The plan of a training: the learning rate in force, and warnings of callbacks that override the schedule."""

import pytest

from handler.run.planner import RunPlanner
from handler.spec.reader import parse_spec
from handler.store.store import Store

TWO = [{"training_interval": [0, 2], "layers": ["a"]}, {"training_interval": [5, 8], "layers": ["b"], "initial_learning_rate": 1e-3}]


@pytest.fixture
def plan(tmp_path):
    """Return a function that plans a small training with the given callbacks."""
    (tmp_path / "own.py").write_text(
        "import keras, numpy as np\n"
        "def data(): return np.zeros((8, 2), 'float32'), np.zeros(8, 'int64')\n"
        "def network():\n"
        "    i = keras.Input((2,))\n"
        "    return keras.Model(i, keras.layers.Dense(2, name='b')(keras.layers.Dense(2, name='a')(i)))\n"
        "def falling(epoch, rate): return 0.5\n"
    )

    def made(*callbacks):
        spec = parse_spec({
            "name": "small", "data": {"source": "own:data"}, "model": {"architecture": "own:network"},
            "training": {"epochs": 10, "callbacks": list(callbacks)}, "freeze_training": TWO,
        })  # fmt: skip
        return RunPlanner(spec, tmp_path, Store(tmp_path / "s"), "small").plan()

    return made


def test_the_plan_shows_the_learning_rate_in_force(plan):
    scheduler = {"name": "LearningRateScheduler", "schedule": "own:falling"}
    plateau = {"name": "ReduceLROnPlateau", "monitor": "loss"}
    shown = [[segment.rate_text for segment in plan(*callbacks).segments] for callbacks in ([], [scheduler], [plateau], [plateau, scheduler])]
    assert shown == [
        ["0.001"] * 4,
        ["LearningRateScheduler"] * 4,
        ["ReduceLROnPlateau", "ReduceLROnPlateau", "0.001", "ReduceLROnPlateau"],
        ["LearningRateScheduler"] * 4,
    ]


def test_the_plan_warns_of_callbacks_that_override_the_schedule(plan):
    scheduler = {"name": "LearningRateScheduler", "schedule": "own:falling"}
    stopping = {"name": "EarlyStopping", "patience": 1, "monitor": "loss"}
    warned = plan(stopping, scheduler).warnings
    assert [text.split(" ", 3)[1] for text in warned] == ["EarlyStopping", "LearningRateScheduler"]
