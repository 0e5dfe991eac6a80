"""The activation cache for the frozen prefix of a network.

The frozen layers at the beginning of a network give the same activations in every epoch of a segment. Therefore these
are computed once and stored in the store's `prefixes/`. The segment then trains only the layers after them, with the
same layers and optimizer and with bit-identical results.

`graph` describes as plain data where a network can be cut, `model_graph` makes this description of a Keras model,
`cost` estimates whether the cache saves time, `activations` computes and stores the activations, `split_model` makes a
training step from the boundary on, and `cache` combines them.
"""
