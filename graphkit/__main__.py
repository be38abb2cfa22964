"""`python -m graphkit`: the same as the `graphkit` command."""

import sys

from graphkit.cli import main

sys.exit(main())
