"""The `frostline` commands; the command line imports each module only when its command runs.

Read `app`, `output` and `tables`, then the file of a command; `train` and `resume` use `session`, `display` and
`process_end`.
"""
