"""flup6 has no command: this is one. `flup_server.py SOCKET MODULE`."""

import importlib
import sys

from flup.server.fcgi import WSGIServer

WSGIServer(importlib.import_module(sys.argv[2]).application, bindAddress=sys.argv[1]).run()
