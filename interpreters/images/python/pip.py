"""What `python -m pip` runs in a sandbox (thermae_pip.py); pip itself is beside the packages, and not one of them."""

import sys

from thermae_pip import main

if __name__ == "__main__":
    sys.exit(main())
