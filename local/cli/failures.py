"""How a command ends without success."""


class Misused(Exception):
    """The command cannot do what it was asked; the message says how to use it rightly (exit code 2)."""


class Failed(Exception):
    """What the command started did not succeed; the message says what to look at (exit code 1)."""
