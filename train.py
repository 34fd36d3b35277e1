"""`python train.py CONFIG [path=value ...]` is `tfmask train`."""

import sys

from tfmask.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
