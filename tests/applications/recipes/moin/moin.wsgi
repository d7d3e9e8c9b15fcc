"""As moin's contrib/deployment/moin.wsgi."""

from moin.app import create_app

application = create_app("wikiconfig.py")
