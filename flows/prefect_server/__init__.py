"""The Prefect server: the embedded one, and the set-up of a server for unattended trainings.

Read `settings`, `embedded`, `holder`, `access_control`; for a server of your own `work_pool`, `heartbeat_automation`.
"""
