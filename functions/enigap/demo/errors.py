"""What can go wrong with the demo. Imports nothing: the command line is also installed without the demo."""


class EmbeddedAwsError(Exception):
    """The embedded AWS cannot be had: one sentence, and the tail of its log where there is one."""
