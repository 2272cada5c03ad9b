"""The examples of the API reference: calls of the Python client, sent to the real app in this order.

Each call becomes a request and its response in checkend/api/openapi/examples.json, from where they get into the OpenAPI
document, the reference page and docs/api.md. Each operation has at least one.
"""

from typing import Any, NamedTuple


class Call(NamedTuple):
    """A call of `client`, a client with all permissions. ``title`` introduces one that is rejected."""

    python: str
    title: str = ""
    notifications_sent: bool = False


CALLS = (
    Call("client.health()"),
    Call("client.api_key()"),
    Call("client.apps()"),
    Call('client.create_app("Blog", environment="production")'),
    Call('client.create_app("")', "A field that is invalid is rejected, with a message for each error:"),
    Call('client.app("blog")'),
    Call('client.app("wiki")', "An app that does not exist is not found:"),
    Call('client.update_app("blog", name="Company blog", environment="staging")'),
    Call('client.regenerate_ingestion_key("blog")'),
    Call('client.delete_app("blog")'),
    Call('client.create_channel("shop", "webhook", "Deploy bot", config={"url": "http://127.0.0.1:9000/checkend"})'),
    Call('client.channels("shop")'),
    Call('client.channel("shop", 1)'),
    Call('client.update_channel("shop", 1, environments=["production"])'),
    Call('client.rotate_channel_secret("shop", 1)'),
    Call('client.test_channel("shop", 1)'),
    Call('client.deliveries("shop", 1, per_page=1)', notifications_sent=True),
    Call('client.redeliver("shop", 1, 1)'),
    Call('client.delete_channel("shop", 1)'),
    Call('client.problems("shop", status="unresolved", search="undefined", sort="notices")'),
    Call(
        'client.call("GET", "/apps/shop/problems", state="open", sort="newest")',
        "An invalid or unknown parameter is rejected:",
    ),
    Call(
        'client.problems_of_all_apps(app="shop", environment="production", first_from="2026-11-24", sort="new", '
        "per_page=1)"
    ),
    Call('client.problem("shop", 1)'),
    Call('client.resolve("shop", 1)'),
    Call('client.unresolve("shop", 1)'),
    Call('client.mute("shop", 2, occurrences=100, within_minutes=60, reason="Known, fixed next week")'),
    Call('client.unmute("shop", 2)'),
    Call('client.bulk_mute("shop", [1, 2], until_release=True)'),
    Call('client.bulk_unmute("shop", [1, 2])'),
    Call('client.bulk_resolve("shop", [1, 2])'),
    Call('client.bulk_unresolve("shop", [1, 2])'),
    Call('client.bulk_tag("shop", [1, 2], "next-sprint")'),
    Call('client.bulk_untag("shop", [1, 2], "next-sprint")'),
    Call('client.facets("shop", 2)'),
    Call('client.occurrences("shop", 2, interval="day")'),
    Call('client.notices("shop", 2, date_from="2026-11-24", per_page=1)'),
    Call('client.notice("shop", 1, 1)'),
    Call("client.arrivals()"),
    Call('client.arrivals(after=2, wait=20, app="shop")'),
    Call('client.tags("shop", 2)'),
    Call('client.add_tag("shop", 2, "billing")'),
    Call('client.app_tags("shop")'),
    Call('client.remove_tag("shop", 2, 3)'),
    Call('client.delete_problem("shop", 1)'),
    Call('client.bulk_delete("shop", [2])'),
    Call('client.send_test_error("shop")'),
    Call("client.teams()"),
    Call('client.create_team("Payments", owner_id="grace")'),
    Call('client.team("payments")'),
    Call('client.update_team("payments", name="Payments and invoices")'),
    Call('client.delete_team("payments")'),
    Call('client.team_apps("storefront")'),
    Call('client.unassign_app("storefront", "shop")'),
    Call('client.assign_app("storefront", "shop")'),
    Call('client.members("storefront")'),
    Call('client.add_member("storefront", "viewer", email_address="alan@example.com")'),
    Call('client.set_role("storefront", 2, "admin")'),
    Call('client.remove_member("storefront", 4)'),
    Call('client.invite("storefront", "joan@example.com", "developer")'),
    Call('client.invitations("storefront")'),
    Call('client.invitation("storefront", 1)'),
    Call('client.resend_invitation("storefront", 1)'),
    Call('client.revoke_invitation("storefront", 1)'),
    Call("client.users()"),
    Call('client.create_user("edsger@example.com", "shortest path")'),
    Call('client.create_user("nobody", "short")', "Each invalid field has a message:"),
    Call('client.user("edsger")'),
    Call('client.update_user("edsger", email_address="edsger.dijkstra@example.com")'),
    Call('client.create_password_link("edsger")'),
    Call('client.notification_preferences("grace")'),
    Call('client.notification_preference("grace", "shop")'),
    Call('client.set_notification_preference("grace", "shop", "new")'),
    Call('client.delete_user("edsger")'),
    Call('client.audit_log(event="team", actor="api_key", per_page=2)'),
)

REPORTS: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "",
        {
            "error": {
                "class": "TypeError",
                "message": "Cannot read properties of undefined (reading 'currency')",
                "backtrace": ["at formatPrice (https://shop.example/assets/app.js:120:17)"],
                "tags": ["checkout"],
            },
            "context": {"environment": "production", "revision": "1.4.2"},
            "request": {"url": "https://shop.example/cart"},
            "user": {"id": "7"},
        },
    ),
    ("A report without an error class is rejected:", {"error": {"message": "It broke."}}),
)
