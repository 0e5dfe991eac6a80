"""Loads values into a network from a file or a state, and refreshes the tensors that layers derive from them."""
