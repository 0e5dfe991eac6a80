"""Checks of the values that a user gives: models of pydantic, texts, names and arguments."""
