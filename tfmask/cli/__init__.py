"""The `tfmask` command: arguments in, exit code out.

Exit codes: 0 done, 1 the work failed, 2 the command line or the configuration is wrong,
130 stopped by Ctrl-C, 143 stopped by SIGTERM. A failure that is ours to explain is one
message on stderr; with `TFMASK_TRACEBACK=1` the traceback comes with it.
"""

import os
import signal
import sys
import threading

from tfmask.cli.parser import parse
from tfmask.cli.startup import escape_what_streams_cannot_encode
from tfmask.errors import ConfigError, TfmaskError


def main(argv: list[str] | None = None) -> int:
    """Runs one command, in any thread; SIGTERM is seen in the main one.

    Args:
      argv: the arguments; default those of the process.
    """
    escape_what_streams_cannot_encode()
    options = parse(sys.argv[1:] if argv is None else argv)
    # Python takes signals, and lets handlers be set, in the main thread alone.
    catches = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, _terminate) if catches else None
    try:
        return options.run(options) or 0
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # The reader of our output, `head` for one, has seen enough. What is still in
        # the buffer has nowhere to go, and flushing it at exit would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    # SyntaxError: of a recipe. OSError: a folder that cannot be written, a full disk.
    except (TfmaskError, SyntaxError, OSError) as error:
        if os.environ.get("TFMASK_TRACEBACK"):
            raise
        print(f"tfmask: {error}", file=sys.stderr)
        return 2 if isinstance(error, (ConfigError, SyntaxError)) else 1
    finally:
        if catches:
            signal.signal(signal.SIGTERM, before)


def _terminate(number, frame):
    raise SystemExit(128 + number)
