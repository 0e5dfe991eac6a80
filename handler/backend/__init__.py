"""Access to TensorFlow and Keras beyond their public API.

Only this room names their private names. Each file is about one part of them: read `tensorflow_setup` for the set-up of
a process, and `optimizers`, `layers`, `models` or another file for that part of Keras.
"""
