"""What a person, a schedule or another flow starts: the `train` flow and the `frostline` command."""
