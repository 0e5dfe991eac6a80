"""The states of a chain as checkpoints: the state that satisfies a segment, and states that were lost."""
