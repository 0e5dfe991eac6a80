"""Architectures: any Keras model, and networks that classify the points of receptive fields."""
