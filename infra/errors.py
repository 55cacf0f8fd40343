"""What can go wrong with the services, said to the person who started them."""

from __future__ import annotations

from scenehue.errors import ScenehueError


class StackError(ScenehueError):
    """A service cannot start, or a setting of it is wrong."""
