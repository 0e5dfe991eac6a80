"""What each `frostline` command does; each module is imported when its command is typed."""
