"""The mail settings of the dashboard."""

import re
from collections.abc import Mapping
from email.utils import formataddr, parseaddr
from ipaddress import ip_address
from typing import Any

from marshmallow import ValidationError

from checkend.schemas.base import Resource
from checkend.schemas.fields import EmailAddressField, TextField

_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?", re.IGNORECASE)


class HostField(TextField):
    """The name or the IP address of a host, without a port."""

    default_error_messages = {"invalid_host": "must be a host name or an IP address, without a port."}  # noqa: RUF012 - marshmallow declares it so

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **options: Any) -> Any:
        host = super()._deserialize(value, attr, data, **options)
        try:
            ip_address(host)
        except ValueError:
            try:
                host.encode("idna")
            except UnicodeError:
                raise self.make_error("invalid_host") from None
            if not _NAME.fullmatch(host.encode("idna").decode()):
                raise self.make_error("invalid_host") from None
        return host


class SenderField(TextField):
    """An email address, optionally after a name: ``Checkend <errors@example.com>``."""

    default_error_messages = {  # noqa: RUF012 - marshmallow declares it so
        "invalid_sender": "must be an email address, or a name and an address as in Checkend <errors@example.com>."
    }

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **options: Any) -> Any:
        text = super()._deserialize(value, attr, data, **options)
        if text is None:
            return ""
        name, address = parseaddr(text)
        try:
            EmailAddressField().deserialize(address)
        except ValidationError:
            raise self.make_error("invalid_sender") from None
        return formataddr((name, address)) if name.isascii() else text


class MailSettingsSchema(Resource):
    """The texts of the form; the other fields are numbers and choices."""

    host = HostField(required=True)
    username = TextField(allow_none=True)
    from_address = SenderField(allow_none=True, limit=320)
