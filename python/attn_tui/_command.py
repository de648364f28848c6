"""The command line."""

import signal
import sys
from typing import NoReturn

from ._native import run_command


def main() -> NoReturn:
    """Runs the command line of `sys.argv`, and exits with its status."""
    # Python's handler would run only after the command has ended. The command restores the terminal itself.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(run_command(["attn-tui", *sys.argv[1:]]))
