"""Observers of the steps of a training."""

from handler.observer import Observer


class Each(Observer):
    """An observer of every step."""

    def on_step(self, epoch, step, steps, logs):
        pass


class Some(Each):
    """An observer that accepts steps at intervals."""

    each_step = False

    def __init__(self):
        self.steps = []

    def on_step(self, epoch, step, steps, logs):
        self.steps.append((epoch, step))
