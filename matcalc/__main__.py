"""``python -m matcalc`` is the same program as ``matcalc``."""

import sys

from matcalc.cli import main

if __name__ == "__main__":
    sys.exit(main())
