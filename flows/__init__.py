"""The Prefect flows and the `frostline` command: the entry points for users, schedules and other flows."""
