"""What determines a training, and whether it still is that: declaration, live objects, data, environment."""
