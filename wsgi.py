"""What a WSGI server loads: ``waitress-serve wsgi:app``."""

from checkend.app import create_app

app = create_app()
