"""Faults that come from outside: bad files, bad settings, a full disk."""


class KernelError(Exception):
    """A fault in what the program was given; its text says what, where, what was expected and what to do."""


class ClipError(KernelError):
    """One clip cannot be used. It costs that clip's score and nothing else.

    Attributes:
        path: the clip's file.
        reason: what is wrong with it, in a few words.
    """

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(path, reason)  # what another process makes it of again
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class NotReadyError(Exception):
    """A spectrogram is still being made; try again later."""


class StuckError(NotReadyError):
    """It has been in work for so long that its decoder has most likely hung."""
