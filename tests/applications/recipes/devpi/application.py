"""What devpi_server.main:make_application() is for, which in 6.20 fails: it makes an XOM of a configuration without init_nodeinfo()."""

from devpi_server.config import get_pluginmanager, parseoptions
from devpi_server.main import xom_from_config

application = xom_from_config(parseoptions(get_pluginmanager(), [])).create_app()
