"""What the user got wrong, said in one line."""


class UserError(Exception):
    """A mistake that the user can mend: the message names the thing and the override to type.

    The command line prints it without a traceback and exits with code 2.
    """
