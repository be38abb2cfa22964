"""`python -m graphkit`: the same as the `graphkit` command."""

import sys

from graphkit.cli import main

if __name__ == "__main__":
    sys.exit(main())
