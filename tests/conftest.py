"""For all tests."""

import signal

# A shell that starts the tests in the background has them ignore Ctrl-C, and every process they start inherits that;
# the tests that interrupt a command need the ordinary meaning.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
