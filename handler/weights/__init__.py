"""Loads values into a network, by path, from a file or a state, and refreshes the tensors that layers derive from
them.
"""
