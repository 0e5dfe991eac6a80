"""The Prefect tasks, one per stage of a training, and the policies they share. Each calls the handler, little else."""
