"""The floor has no command: this is one. `floor_server.py SOCKET MODULE`, where libfloor.so is found as floor.so."""

import signal
import sys

import floor

# Python would only make a note of it, and the floor never looks at those.
signal.signal(signal.SIGINT, signal.SIG_DFL)
floor.serve(sys.argv[1], sys.argv[2])
