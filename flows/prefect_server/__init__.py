"""The Prefect server: the embedded one, and the set-up of a server for unattended trainings."""
