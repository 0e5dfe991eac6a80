"""The frozen prefix: what rests at the beginning of a network gives the same activations in every epoch of a segment.

They are computed once, kept in the store's `prefixes/`, and the segment trains the rest: the same layers, optimizer and
bits. `graph` says as plain data where a network may be cut, `flatten` makes it of a Keras model, `decision` weighs
whether it pays, `activations` computes and keeps, `suffix` steps through the rest, `prefixes` puts them together.
"""
