"""``python -m fastprune``."""

import sys

from fastprune.cli.main import main

sys.exit(main())
