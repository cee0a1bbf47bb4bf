"""``python -m jacobians``: the same as the ``jacobians`` command."""

import sys

from jacobians.cli import main

if __name__ == "__main__":
    sys.exit(main())
