"""The states of a chain as checkpoints: which state satisfies a segment, and which states are lost."""
