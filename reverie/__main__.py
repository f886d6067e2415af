"""`python -m reverie` is `reverie`."""

import sys

from reverie.cli.command_line import main

sys.exit(main())
