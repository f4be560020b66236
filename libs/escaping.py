"""Text of others, for a terminal or a log: none of it is a command, a line of its own, or out of sight."""


def escaped(text: str, keep: str = "") -> str:
    """A text in which everything that is not to be seen is an escape, but for the characters to keep."""
    return "".join(
        one if one.isprintable() or one in keep else one.encode("unicode_escape").decode("ascii") for one in text
    )
