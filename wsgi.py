"""The WSGI application, for commands such as ``waitress-serve wsgi:app``."""

from checkend.app import create_app

app = create_app()
