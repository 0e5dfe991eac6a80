"""The inputs that determine a training, and the check that they are unchanged.

Read `declaration` (specifications) or `live_objects` (notebooks), `data_digests`, `data_function`, `differences` and
`environment`.
"""
