"""The errors that reach a person as one line: what is wrong, naming the thing, and what to do."""


class UserError(Exception):
    """Bad usage, bad config or bad input: exit code 2."""

    code = 2


class Failed(UserError):
    """The machine did not do what was asked (git failed, the disk is full): exit code 1."""

    code = 1


class Refused(UserError):
    """It was measured, and the answer is no: exit code 3."""

    code = 3


class TooFew(UserError):
    """Not enough labelled rows yet: not a fault, and nothing is changed."""

    code = 0


class Busy(Failed):
    """Another command holds the lock that this one needs: a model's, a log's, the report's, a backup's or the crontab's; and it kept it for longer than we were willing to wait."""
