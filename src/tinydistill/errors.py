"""What can't be used, in one line."""

import re
from collections.abc import Callable


class InputError(ValueError):
    """Something that was given can't be used: a value, a file, a row of it.

    The message names the thing and what is wrong with it. The advice says what to do, and names arguments as
    `{Class.argument}` or `{function.argument}`; `told` puts in their places what the caller calls them, as an option of
    the command line. By themselves they are called by their last words.
    """

    def __init__(self, message: str, advice: str = ""):
        self.message, self.advice = message, advice
        super().__init__(self.told(lambda argument: re.split(r"[.:]", argument)[-1]))

    def told(self, name: Callable[[str], str]) -> str:
        """Message and advice as one line, every argument under the name that `name` gives it."""
        advice = re.sub(r"\{([A-Za-z_][\w.:]*)\}", lambda found: name(found[1]), self.advice)
        return " ".join(f"{self.message}: {advice}".split() if advice else self.message.split())


class UserError(Exception):
    """A mistake that the user can fix: the message names the thing and the override to type.

    The command line prints it without a traceback and exits with code 2.
    """


class RunError(Exception):
    """A run can't go on through no mistake in what was given; what it has done is kept, for the same command to go on.

    The command line prints the message without a traceback and exits with the `code`.
    """

    def __init__(self, message: str, code: int = 1):
        super().__init__(message, code)
        self.message, self.code = message, code

    def __str__(self) -> str:
        return self.message

    def within(self, place: str) -> "RunError":
        """The same, with the place named at which it happened."""
        return RunError(f"{place}, {self.message}", self.code)


class WithheldError(RunError):
    """Something that was asked for isn't good enough to be published. All else is: the run has come to its end.

    The command line prints the message without a traceback and exits with code 3.
    """

    def __init__(self, message: str):
        super().__init__(message, 3)

    def within(self, place: str) -> "WithheldError":
        """The same, with the place named at which it happened."""
        return WithheldError(f"{place}, {self.message}")
