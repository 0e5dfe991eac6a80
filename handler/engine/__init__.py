"""The training loop: prefetched batches, one graph per mask, and callbacks called as by Keras's own `fit`."""
