"""Exceptions."""

from __future__ import annotations


class Error(Exception):
    """An error of attn-tui.

    `message` says what is wrong, `hint` what to do about it, if anything can be said.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


class UsageError(Error, ValueError):
    """An argument is wrong, or arguments exclude each other."""


class NoSuchHeadError(Error, KeyError):
    """The capture does not have a head, layer or kind."""

    # KeyError would show the representation of its arguments.
    __str__ = Error.__str__


class HubError(Error):
    """The hub or its cache has no such model, or cannot be reached."""
