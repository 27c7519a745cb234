"""`python -m hyperctl`."""

import sys

from hyperctl.main import main

sys.exit(main())
