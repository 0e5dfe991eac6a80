"""Trainings on live objects: checks of the arguments, the memory of earlier fits, and the record of the run."""
