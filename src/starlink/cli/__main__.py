"""The console script, also as `python -m starlink.cli`. While it loads, Ctrl-C ends it without a word."""

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from starlink.cli.main import main

if __name__ == "__main__":
    main()
