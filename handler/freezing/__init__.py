"""A mask on a Keras model: trainable flags, frozen layers that do not move, steps traced under a mask.

Read `model_outline`, `masks`, `frozen_layers`, `accumulation`, `executor`.
"""
