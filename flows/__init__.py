"""The Prefect flows and the `frostline` command: the entry points for users, schedules and other flows.

Read `train`, `parameters`, `access_rules` and `prefect_sync`; `stop_signals` and `abandoned_run` for Ctrl-C; then
`resume` and `dead_runs`, `sweep`, `housekeeping`. `answers` defines the JSON of the commands in `cli`.
"""
