"""A mail server for tests."""

import email
import socket
import threading
import time
from contextlib import suppress
from email.message import Message
from typing import Any

from flask import Flask

from checkend.services import services


class MailServer:
    """A real SMTP server on a free port, as far as a client without encryption needs one.

    ``sender_response`` and ``recipient_response`` are what it responds to senders and recipients. ``greeting_delay`` is
    the time in seconds before each byte of its first line, ``accept_delay`` that before it accepts a mail.
    """

    def __init__(self) -> None:
        self.sender_response = self.recipient_response = "250 ok"
        self.greeting_delay = self.accept_delay = 0.0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.mails: list[tuple[str, Message]] = []
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with suppress(OSError), connection, connection.makefile("rwb") as stream:
                self._talk(stream)

    def _talk(self, stream: Any) -> None:
        recipient = ""

        def say(line: str) -> None:
            stream.write(line.encode() + b"\r\n")
            stream.flush()

        for character in "220 test" if self.greeting_delay else "":
            time.sleep(self.greeting_delay)
            stream.write(character.encode())
            stream.flush()
        say("" if self.greeting_delay else "220 test")
        while line := stream.readline().decode(errors="replace").strip():
            verb = line[:4].upper()
            if verb == "MAIL":
                say(self.sender_response)
                continue
            if verb == "RCPT":
                recipient = line.partition("<")[2].partition(">")[0]
                say(self.recipient_response)
                continue
            if verb == "DATA":
                say("354 go on")
                lines = []
                while (text := stream.readline()) != b".\r\n":
                    lines.append(text.removeprefix(b".") if text.startswith(b"..") else text)
                self.mails.append((recipient, email.message_from_bytes(b"".join(lines))))
                time.sleep(self.accept_delay)
            say("221 bye" if verb == "QUIT" else "250 ok")
            if verb == "QUIT":
                return

    def close(self) -> None:
        with suppress(OSError):  # closed before
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(5)


def send_mail(app: Flask) -> None:
    """Let the notification worker of ``app`` run once, and wait until nothing is being sent."""
    worker = services(app).notifications
    worker.run_once()
    deadline = time.monotonic() + 20
    while worker.sending:
        assert time.monotonic() < deadline, "sending does not end"
        time.sleep(0.005)
