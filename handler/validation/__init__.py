"""Checks of the values that a user gives: pydantic models, texts, names and arguments.

Read `models` first. `text`, `run_name`, `plain_data` and `arguments` each check one kind of value.
"""
