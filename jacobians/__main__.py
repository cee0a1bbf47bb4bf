"""``python -m jacobians``: the same as the ``jacobians`` command.

Floor 11. Imports cli.
"""

import sys

from jacobians.cli import main

if __name__ == "__main__":
    sys.exit(main())
