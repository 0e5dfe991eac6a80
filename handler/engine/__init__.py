"""How an epoch is run: batches ahead of the step, one graph per mask, callbacks as Keras's own `fit` calls them."""
