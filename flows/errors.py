"""What can go wrong in a flow, in sentences that name what failed and what to do."""

from __future__ import annotations

from scenehue.errors import ScenehueError, UnreachableError


class StageError(ScenehueError):
    """A stage failed; trying again gives the same, unless something else is changed."""


class BusyError(ScenehueError):
    """Somebody else's DVC command held the lock for too long."""


class RemoteError(UnreachableError):
    """DVC's remote storage cannot be reached, or refuses; the two cannot be told apart."""


class CheckoutError(ScenehueError):
    """The checkout that the flows work in cannot be used."""
