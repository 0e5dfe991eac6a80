"""The parts of a compiled Keras model that have no public name: its compilation, its metrics, its symbolic build."""

from collections.abc import Callable
from typing import Any

from keras.src.utils.python_utils import pythonify_logs as pythonify_logs


def compile_arguments(model: Any) -> dict[str, Any]:
    """Return the arguments with which a model was compiled."""
    return dict(model._compile_config.config)


def has_compiled_metrics(model: Any) -> bool:
    """Return whether a model was compiled with metrics besides the loss."""
    return model._compile_metrics is not None


def loss_function(model: Any) -> Callable[..., Any]:
    """Return the function that computes a model's loss, as its train step calls it."""
    function: Callable[..., Any] = model._compute_loss
    return function


def named_results(model: Any, logs: Any) -> dict[str, Any]:
    """Return the results of a step by name, as `fit` and `evaluate` report them."""
    return dict(model._get_metrics_result_or_logs(logs))


def build_symbolically(model: Any, batch: Any) -> None:
    """Make the variables of a model's metrics from the shapes of a batch.

    Raises:
        RuntimeError, ValueError: the model cannot be called on symbolic tensors.
    """
    model._symbolic_build(data_batch=batch)
