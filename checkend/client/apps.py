"""Methods of the client for apps and their channels."""
# mypy: disable-error-code="no-any-return"
# A JSON value is Any. That it has the type that a method declares is guaranteed by the API, and verified by the tests.

from collections.abc import Iterator
from typing import Unpack

from checkend.client.caller import Caller, Id
from checkend.client.queries import AppFields, AppUpdate, ChannelFields, ChannelUpdate, PageQuery
from checkend.client.types import App, AppWithKey, Channel, ChannelWithSecret, CountedTag, Delivery, Page, TestError


class AppMethods(Caller):
    """Apps, their tags and their channels."""

    def apps(self) -> list[App]:
        """Return all apps, newest first."""
        return self.call("GET", "/apps")

    def app(self, app: Id) -> App:
        """Return an app."""
        return self.call("GET", f"/apps/{app}")

    def create_app(self, name: str, **fields: Unpack[AppFields]) -> AppWithKey:
        """Create an app; the result contains its ingestion key."""
        return self.call("POST", "/apps", {"name": name, **fields})

    def update_app(self, app: Id, **fields: Unpack[AppUpdate]) -> App:
        """Change fields of an app."""
        return self.call("PATCH", f"/apps/{app}", fields)

    def delete_app(self, app: Id) -> None:
        """Delete an app with everything that was reported to it."""
        self.call("DELETE", f"/apps/{app}")

    def regenerate_ingestion_key(self, app: Id) -> AppWithKey:
        """Replace the ingestion key of an app; reports with the old key are rejected from now on."""
        return self.call("POST", f"/apps/{app}/regenerate_ingestion_key")

    def send_test_error(self, app: Id) -> TestError:
        """Report a test error to an app, as an SDK would."""
        return self.call("POST", f"/apps/{app}/test_error")

    def app_tags(self, app: Id) -> list[CountedTag]:
        """Return the tags that problems of an app have, by name, with the number of these problems."""
        return self.call("GET", f"/apps/{app}/tags")

    def channels(self, app: Id) -> list[Channel]:
        """Return the channels of an app, oldest first."""
        return self.call("GET", f"/apps/{app}/channels")

    def channel(self, app: Id, channel: int) -> Channel:
        """Return a channel."""
        return self.call("GET", f"/apps/{app}/channels/{channel}")

    def create_channel(self, app: Id, kind: str, name: str, **fields: Unpack[ChannelFields]) -> ChannelWithSecret:
        """Create a channel; of a webhook, the response contains the signing secret."""
        return self.call("POST", f"/apps/{app}/channels", {"kind": kind, "name": name, **fields})

    def update_channel(self, app: Id, channel: int, **fields: Unpack[ChannelUpdate]) -> Channel:
        """Change fields of a channel."""
        return self.call("PATCH", f"/apps/{app}/channels/{channel}", fields)

    def delete_channel(self, app: Id, channel: int) -> None:
        """Delete a channel with its deliveries."""
        self.call("DELETE", f"/apps/{app}/channels/{channel}")

    def rotate_channel_secret(self, app: Id, channel: int) -> ChannelWithSecret:
        """Replace the signing secret of a webhook; the old one signs as well for another 24 hours."""
        return self.call("POST", f"/apps/{app}/channels/{channel}/rotate_secret")

    def test_channel(self, app: Id, channel: int) -> dict[str, str]:
        """Send a test notification; returns its ``status``, ``delivered`` or ``failed``, and ``detail``."""
        return self.call("POST", f"/apps/{app}/channels/{channel}/test")

    def deliveries(self, app: Id, channel: int, **query: Unpack[PageQuery]) -> Page[Delivery]:
        """Return a page of the deliveries of a channel, newest first."""
        return self.call("GET", f"/apps/{app}/channels/{channel}/deliveries", **query)

    def iter_deliveries(self, app: Id, channel: int) -> Iterator[Delivery]:
        """Yield the deliveries of a channel from all pages, newest first."""
        yield from self._iterate(f"/apps/{app}/channels/{channel}/deliveries", {})

    def redeliver(self, app: Id, channel: int, delivery: int) -> Delivery:
        """Queue a delivery that has ended again."""
        return self.call("POST", f"/apps/{app}/channels/{channel}/deliveries/{delivery}/redeliver")
