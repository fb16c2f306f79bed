"""Errors that a user can cause. Each is one line (what, where, what to do) and an exit code."""

from __future__ import annotations


class UserError(Exception):
    """Base of every error that ends a command in one clear line and `exit_code`."""

    exit_code = 1


class UsageError(UserError):
    """A flag, key, value, experiment file, run directory, lock, extra or device is wrong."""

    exit_code = 2


class DivergedError(UserError):
    """Training produced non-finite values too often in a row."""

    exit_code = 3


class StorageError(UserError):
    """A path that cannot be made, read or written, or no checkpoint that can be trusted."""

    exit_code = 4


class DataError(UserError):
    """A data source that is missing, empty, too small, or holds something unusable."""

    exit_code = 5


class Stopped(UserError):
    """A signal asked the run to end, and everything was saved first."""

    def __init__(self, message: str, signal_number: int):
        super().__init__(message)
        self.exit_code = 128 + signal_number
