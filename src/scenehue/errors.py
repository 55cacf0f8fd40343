"""What can go wrong, as exceptions whose messages are written for the person at the keyboard.

Every message says what happened, to which file or key, and what to do. The command line prints the message alone; a
traceback appears only for defects of ours.
"""

from __future__ import annotations


class ScenehueError(Exception):
    """Base of all errors that a user can cause and can mend."""


class ParamsError(ScenehueError):
    """A key of ``params.yaml`` is unknown, missing, or out of its range."""


class ArtifactError(ScenehueError):
    """A stage's input is missing, corrupt, or does not fit the rest."""


class UnreachableError(ScenehueError):
    """A server or a storage does not answer for now; trying again later may help."""


class PhotoError(ScenehueError):
    """One photo cannot be read or written; others are not concerned.

    Args:
        path: The file as the user named it.
        reason: What is wrong with it, without the file's name.
    """

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = str(path)
        self.reason = reason

    def __reduce__(self) -> tuple[type[PhotoError], tuple[str, str]]:
        return type(self), (self.path, self.reason)
