"""Zope's own entry point, with the instance beside this file."""

import os

from Zope2.Startup.run import make_wsgi_app

HERE = os.path.dirname(os.path.abspath(__file__))
application = make_wsgi_app({}, os.path.join(HERE, "instance/etc/zope.conf"))
