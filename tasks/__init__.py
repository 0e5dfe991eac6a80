"""The Prefect tasks, one per stage of a training, and their shared policies; each is a thin wrapper of the handler.

Read `stages`, `segment`, `stage_policy`, `results` and `result_locks`; `sweep_run` and `training_process` for sweeps;
and `prefect_artifacts` and `run_log` for the content of Prefect's pages.
"""
