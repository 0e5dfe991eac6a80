"""Trainings of live objects: what is asked of them, where they stand, and the record of their run."""
