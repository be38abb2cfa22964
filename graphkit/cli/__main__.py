"""Entry point of `python -m graphkit.cli`."""

import sys

from graphkit.cli import main

if __name__ == "__main__":
    sys.exit(main())
