"""Architectures: any Keras model, and networks that classify the points of receptive fields.

Read `architecture`, `keras_model`, `deferred_build`; for point clouds `pointnet`, or `hierarchy`, `neighbourhoods` and
`conv_autoencoder`.
"""
