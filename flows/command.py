"""The entry point of the `frostline` command, also as `python -m flows.command`.

The command line itself is `flows/cli/app.py`, above the flows; it is imported by its name when it is called.
"""

import sys
from importlib import import_module


def main() -> int:
    """Run the command line of this process and return its exit code; the console script calls this."""
    return import_module("flows.cli.app").main()


if __name__ == "__main__":
    sys.exit(main())
