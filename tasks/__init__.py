"""The Prefect tasks, one per stage of a training, and their shared policies. Each is a thin wrapper of the handler."""
