"""Makes one script out of a runtime package: `python bundle.py --help`."""

import sys

from bundler.cli import main

if __name__ == "__main__":
    sys.exit(main())
