"""`python evaluate.py CONFIG --load PATH [path=value ...]` is `tfmask evaluate`."""

import sys

from tfmask.cli import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
