"""The `frostline` commands; the command line imports each module only when its command runs."""
