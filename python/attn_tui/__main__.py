"""`python -m attn_tui` is the command `attn-tui`."""

from ._command import main

main()
