"""What is wrong with the project that is to be bundled."""

from collections.abc import Sequence


class BundleError(Exception):
    """The bundle cannot be made, or must not leave as it is.

    Attributes:
        problems: one sentence for each fault: where, what, what was expected, what to do.
    """

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))
