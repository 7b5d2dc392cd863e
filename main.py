"""The command line from a checkout: `python main.py --config experiments/unet.py`."""

import sys

from jaxseg.cli import main

if __name__ == "__main__":
    sys.exit(main())
