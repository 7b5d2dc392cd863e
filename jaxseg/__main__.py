"""`python -m jaxseg`."""

import sys

from jaxseg.cli import main

if __name__ == "__main__":
    sys.exit(main())
