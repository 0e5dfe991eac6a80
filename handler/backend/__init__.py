"""TensorFlow and Keras beyond their public API. Only this room names their private names."""
