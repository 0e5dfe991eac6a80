"""Models with custom training and test steps."""

from __future__ import annotations

import keras


class Doubled(keras.Model):
    """A model with a custom training step, whose loss counts twice."""

    def train_step(self, data):
        import tensorflow as tf

        x, y = data
        with tf.GradientTape() as tape:
            given = self(x, training=True)
            loss = 2.0 * self.compute_loss(x, y, given)
        weights = self.trainable_weights
        self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        for metric in self.metrics:
            metric.update_state(loss) if metric.name == "loss" else metric.update_state(y, given)
        return {metric.name: metric.result() for metric in self.metrics}


class Reporting(keras.Model):
    """A model with custom steps that return logs other than metrics."""

    def train_step(self, data):
        return {"doubled": 2.0 * super().train_step(data)["loss"]}

    def test_step(self, data):
        return {"halved": 0.5 * super().test_step(data)["loss"]}
