"""Attention maps of encoder-decoder Transformers.

>>> import attn_tui
>>> model = attn_tui.Model.open("demo")
>>> capture = model.capture("Where is the book that you bought?")
>>> capture["cross.2"].shape
(6, 11, 9)

A `Model` runs texts. A `Capture` holds what one run recorded, every map of every head, or what a file holds. Errors
are `Error` or one of its subclasses, with a hint. Everything that computes leaves the interpreter to other threads.
Runs and scans stop at Ctrl-C.
"""

from ._command import main
from ._errors import Error, HubError, NoSuchHeadError, UsageError
from ._native import VERSION as __version__
from ._native import Capture, Model

__all__ = ["Capture", "Error", "HubError", "Model", "NoSuchHeadError", "UsageError", "__version__", "main"]
