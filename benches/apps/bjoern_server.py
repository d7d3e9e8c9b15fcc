"""bjoern has no command: this is one. `bjoern_server.py SOCKET MODULE`."""

import importlib
import sys

import bjoern

bjoern.run(importlib.import_module(sys.argv[2]).application, "unix:" + sys.argv[1])
