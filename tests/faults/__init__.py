"""Trainings that are killed or damaged, and resumed with the same result."""
