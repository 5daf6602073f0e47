"""`python -m train_offline`."""

import sys

from train_offline.command import main

if __name__ == "__main__":
    sys.exit(main())
