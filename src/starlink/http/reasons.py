"""What broke a connection, in words."""

import os
import socket
import ssl


def why(error: BaseException) -> str:
    """What broke a connection, in words. An exception may say nothing of itself, as a timeout does."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    if isinstance(error, socket.gaierror):
        return f"the name can't be looked up: {error.strerror}"
    if isinstance(error, TimeoutError) and not error.args:
        return "timed out"
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) and error.errno is not None:
        return os.strerror(error.errno).lower()
    return str(error) or type(error).__name__
