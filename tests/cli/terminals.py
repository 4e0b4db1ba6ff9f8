"""Terminals to write to, whose other end shows what they were sent."""

import errno
import os
import pty
import termios


def open_terminal(columns: int = 80) -> tuple[int, int]:
    """The descriptors of the end that shows and of the end that is written to."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, columns))
    return ours, theirs


def everything_sent(terminal: int) -> str:
    """All that was written, once the other end is closed everywhere. Closes this end."""
    sent = b""
    while chunk := _read(terminal):
        sent += chunk
    os.close(terminal)
    return sent.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError as error:
        if error.errno == errno.EIO:  # what Linux says when the other end is closed
            return b""
        raise
