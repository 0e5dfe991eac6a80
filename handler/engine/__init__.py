"""The training loop: prefetched batches, one graph per mask, and callbacks called as by Keras's own `fit`.

Read `trainer`, `sequencer`, `batches`, `steps` and `graph_loop`; then `callback_state`, `loggers` and `history`. The
other files check data and network before the first step, or interpret the outputs.
"""
