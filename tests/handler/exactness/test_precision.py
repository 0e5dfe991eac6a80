"""Mixed precision: rates of a schedule take effect, states keep their dtypes, and a policy holds wherever a network is
built.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from handler import DLFreezeTrainingExecutor, DLModelHandler, DLTrainingHandler, KerasArchitecture
from handler.engine.sequencer import DLSequencer
from handler.engine.trainer import Trainer
from handler.errors import ScheduleError, SpecError
from handler.freezing.executor import apply_epoch
from handler.freezing.model_outline import outline
from handler.run.inputs import RunInputs
from handler.run.training_run import TrainingRun
from handler.schedule.schedule import compute_schedule
from handler.spec.reader import parse_spec
from tests.handler.exactness.segmented_training import examples

X, Y = examples()


def network(policy, optimizer=None):
    keras.backend.clear_session(free_memory=False)
    keras.utils.set_random_seed(1)
    keras.config.set_dtype_policy(policy)
    try:
        inputs = keras.Input((4,))
        x = layers.Dense(4, activation="tanh", name="low")(inputs)
        x = layers.BatchNormalization(name="norm")(x)
        model = keras.Model(inputs, layers.Dense(3, activation="softmax", name="head", dtype="float32")(x))
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile(optimizer or keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    return model


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "bfloat16", "float64"])
def test_every_variable_keeps_its_dtype_in_a_state(policy):
    trainer = Trainer(network(policy), DLSequencer(X, Y, 16), epochs=2)
    trainer.run(0, 1)
    state = trainer.capture(1)
    kernel = next(a for name, a in state.arrays.items() if name.endswith("low/kernel"))
    assert kernel.dtype.name == {"bfloat16": "bfloat16", "float64": "float64"}.get(policy, "float32")
    again = Trainer(network(policy), DLSequencer(X, Y, 16), epochs=2)
    again.restore(state)
    assert {n: a.tobytes() for n, a in again.capture(1).arrays.items()} == {
        n: a.tobytes() for n, a in state.arrays.items()
    }


def test_an_entrys_rate_reaches_the_optimizer_under_loss_scaling():
    model = network("mixed_float16")
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert outline(model).learning_rate == 0.01
    entry = {"training_interval": [1, 2], "layers": ["low"], "initial_learning_rate": 0.002}
    schedule = compute_schedule(entry, 3, outline(model))
    trainer, rates = Trainer(model, DLSequencer(X, Y, 16), epochs=3), []
    for epoch in range(3):
        apply_epoch(trainer.masks, schedule, epoch)
        trainer.run_epoch(epoch)
        rates.append(round(float(model.optimizer.inner_optimizer.learning_rate.numpy()), 6))
    assert rates == [0.01, 0.002, 0.002]
    state = trainer.capture(3)
    stored = [float(a) for name, a in state.arrays.items() if name.endswith("adam/learning_rate")]
    assert [round(rate, 6) for rate in stored] == [0.002]


@pytest.mark.parametrize(
    "rate",
    [keras.optimizers.schedules.ExponentialDecay(0.01, 5, 0.9), lambda: 0.01],
    ids=["schedule", "function"],
)
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_a_rate_is_refused_if_the_optimizer_follows_its_own(policy, rate):
    model = network(policy, keras.optimizers.SGD(rate))
    assert outline(model).learning_rate is None
    entry = {"training_interval": [1, 2], "layers": ["low"], "initial_learning_rate": 0.002}
    with pytest.raises(ScheduleError, match=r"initial_learning_rate: 0.002 can't be set"):
        DLFreezeTrainingExecutor(entry).execute(model, 3, lambda *_: None)
    mh = DLModelHandler(KerasArchitecture(model), training_epochs=2, batch_size=16)
    assert DLTrainingHandler({"training_interval": [1, 2], "layers": ["low"]})(mh, X, Y, [])


GIVEN = """
import keras, numpy as np
{top}

def data():
    X = np.random.default_rng(1).normal(size=(60, 4)).astype("float32")
    return X, X[:, :3].argmax(axis=1)
"""
MIXED = """
import keras
{top}

def network():
    {inside}
    inputs = keras.Input((4,))
    x = keras.layers.Dense(4, activation="tanh", name="low")(inputs)
    return keras.Model(inputs, keras.layers.Dense(3, activation="softmax", name="head", dtype="float32")(x))
"""
SPEC = {
    "data": {"source": "given:data"},
    "model": {"architecture": "mixed:network", "compile": {"optimizer": {"name": "adam", "learning_rate": 0.05}}},
    "training": {"epochs": 3, "batch_size": 16},
    "freeze_training": [{"training_interval": [1, 2], "layers": ["low"]}],
}
SETS = 'keras.mixed_precision.set_dtype_policy("mixed_bfloat16")'


def run_of(folder, *, given="pass", mixed="pass", inside="pass", store="store"):
    (folder / "given.py").write_text(GIVEN.format(top=given))
    (folder / "mixed.py").write_text(MIXED.format(top=mixed, inside=inside))
    return TrainingRun(RunInputs(spec=parse_spec(SPEC), folder=str(folder), store=str(folder / store), name="run"))


def train(run):
    """Run all stages; return the digest of the final weights, and the layers' compute dtypes."""
    plan = run.plan()
    run.begin(plan)
    run.pre_fit()
    for segment in plan.segments:
        run.train_segment(segment.index)
    final = run.post_fit()
    return final["weights"], [layer.compute_dtype for layer in run.live.mh.arch.nn.layers]


def test_a_dtype_policy_holds_in_plan_training_and_resumption(tmp_path):
    weights, types = train(run_of(tmp_path, inside=SETS))
    assert types == ["bfloat16", "bfloat16", "float32"]
    assert keras.config.dtype_policy().name == "float32"
    plain, types = train(run_of(tmp_path, store="plain"))
    assert set(types) == {"float32"}
    assert plain != weights
    # Planned and interrupted after two epochs in one process; resumed in another run object.
    run = run_of(tmp_path, inside=SETS, store="parts")
    plan = run.plan()
    run.begin(plan)
    run.pre_fit()
    run.train_segment(0)
    run.train_segment(1)
    assert train(run_of(tmp_path, inside=SETS, store="parts"))[0] == weights


@pytest.mark.parametrize(("module", "field"), [("given", "data.source"), ("mixed", "model.architecture")])
@pytest.mark.parametrize(
    ("statement", "what"),
    [(SETS, "dtype policy to 'mixed_bfloat16'"), ('keras.config.set_floatx("float64")', "float type to 'float64'")],
)
def test_a_module_that_sets_global_keras_options_is_refused(
    tmp_path, module, field, statement, what
):
    for _ in range(2):
        with pytest.raises(SpecError, match=f"^{field}: {module}.py sets Keras's global {what} when it is imported"):
            run_of(tmp_path, **{module: statement}).plan()
        assert (keras.config.floatx(), keras.config.dtype_policy().name) == ("float32", "float32")


def test_a_network_that_sets_the_global_float_type_is_refused(tmp_path):
    with pytest.raises(SpecError, match="architecture: sets Keras's float type to 'float64'"):
        run_of(tmp_path, inside='keras.config.set_floatx("float64")').plan()
    assert keras.config.floatx() == "float32"


def test_the_callers_dtype_policy_does_not_affect_a_run(tmp_path):
    plain, _ = train(run_of(tmp_path))
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        weights, types = train(run_of(tmp_path, store="other"))
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
    assert weights == plain
    assert set(types) == {"float32"}


def test_a_final_model_predicts_in_its_training_precision(tmp_path):
    from handler.run.trained_model import TrainedModel

    run = run_of(tmp_path, inside=SETS)
    train(run)
    run.report()
    run.mark_completed()
    trained = run.live.mh.predict(X)
    asked = TrainedModel(tmp_path / "store", "run").predict([X])
    assert np.array_equal(asked, trained)
    kept = {layer.compute_dtype for layer in TrainedModel(tmp_path / "store", "run", epoch=1).mh.arch.nn.layers}
    assert kept == {"bfloat16", "float32"}
