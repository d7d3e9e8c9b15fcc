"""Kinto's own application.wsgi."""

import configparser
import logging.config
import os

from kinto import main

ini_path = os.environ["KINTO_INI"]
logging.config.fileConfig(ini_path)
config = configparser.ConfigParser(interpolation=None)
config.read(ini_path)
application = main({"here": os.path.dirname(ini_path)}, **dict(config.items("app:main")))
