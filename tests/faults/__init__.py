"""Trainings that are killed, and go on as if nothing had been."""
