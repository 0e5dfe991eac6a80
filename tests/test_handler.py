"""The import paths of the handler that users have."""

import subprocess
import sys
from importlib import import_module

import pytest

import handler

PACKAGES = ("handler.data", "handler.report", "handler.run", "handler.schedule", "handler.spec", "handler.state", "handler.store", "handler.training")
# Paths that users had before the modules were put into rooms.
USED = ["handler.arch.architecture.Architecture", "handler.arch.conv_autoencoder.ConvAutoencPwiseClassif", "handler.arch.keras_model.KerasArchitecture", "handler.arch.pointnet.PointNetPwiseClassif", "handler.errors.BusyError", "handler.errors.DataError", "handler.errors.FrostlineError", "handler.errors.Interrupted", "handler.errors.MismatchError", "handler.errors.ScheduleError", "handler.errors.SpecError", "handler.errors.StoreError", "handler.run.RunInputs", "handler.run.TrainingRun", "handler.schedule.Schedule", "handler.schedule.compute_schedule", "handler.spec.TrainingSpec", "handler.spec.dump_spec", "handler.spec.load_spec", "handler.spec.parse_spec", "handler.spec.read_spec", "handler.state.TrainingState", "handler.state.load_state", "handler.store.Store", "handler.training.DLTrainingHandler", "flows.command.main", "flows.train.train", "flows.sweep.sweep", "flows.resume.resume", "flows.housekeeping.housekeeping", "flows.checkout.checkout"]


@pytest.mark.parametrize("path", USED)
def test_a_public_name_is_importable(path):
    module, _, name = path.rpartition(".")
    assert callable(getattr(import_module(module), name))


@pytest.mark.parametrize("package", ["handler", *PACKAGES])
def test_a_package_offers_the_names_that_it_lists(package):
    module = import_module(package)
    assert [name for name in module.__all__ if getattr(module, name, None) is None] == []
    assert set(module.__all__) <= set(dir(module))


@pytest.mark.parametrize("package", ["handler", *PACKAGES])
def test_a_package_says_that_a_name_is_missing(package):
    with pytest.raises(AttributeError, match=rf"module '{package}' has no attribute 'nothing'"):
        getattr(import_module(package), "nothing")  # noqa: B009


def test_the_packages_import_neither_tensorflow_nor_prefect():
    code = f"import sys, {', '.join(PACKAGES)}; print(sorted({{'tensorflow', 'keras', 'prefect'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_public_names_of_the_handler_are_these():
    assert set(handler.__all__) == {
        "Architecture",
        "ConvAutoencPwiseClassif",
        "DLFreezeTrainingExecutor",
        "DLModelHandler",
        "DLSequencer",
        "DLTrainingHandler",
        "FrostlineError",
        "KerasArchitecture",
        "Observer",
        "PointNetPwiseClassif",
        "Store",
        "TrainingSpec",
        "load_spec",
        "load_state",
    }
