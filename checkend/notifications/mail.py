"""Mail: sending one, and what the response of the SMTP server means."""

from collections import Counter
from email.message import EmailMessage
from email.utils import format_datetime
from uuid import uuid4

from checkend import clock
from checkend.db.session import db
from checkend.models import OutgoingMail
from checkend.notifications.channels.text import fit
from checkend.notifications.encryption import SecretsUnreadableError
from checkend.notifications.mail_settings import MailSettings, current_settings, is_configured
from checkend.notifications.outbox import Outcome

__all__ = ["NOT_CONFIGURED", "build_message", "is_configured", "outcomes", "send", "send_test"]

NOT_CONFIGURED = (
    "Mail is not configured: set CHECKEND_URL, and the mail server on the Mail page or with CHECKEND_MAIL_HOST."
)

RESPONSE_LIMIT = 1_000
TEST_TEXT = """This is a test mail from Checkend at {server}.

Mail can be sent: invitations, password links and notifications by email will arrive.
"""

# The number of mails that this process has ``sent``, and of attempts that ``failed``, for /metrics.
outcomes: Counter[str] = Counter(sent=0, failed=0)


def build_message(settings: MailSettings, mail: OutgoingMail, text: str) -> EmailMessage:
    """Return the same message on every attempt, with ``text`` as its body."""
    message = EmailMessage()
    message["From"] = settings.sender
    message["To"] = mail.recipient
    message["Subject"] = " ".join(mail.subject.split())
    message["Date"] = format_datetime(mail.created_at)
    message["Message-ID"] = f"<{mail.message_id}@{settings.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    return message


def send(settings: MailSettings, message: EmailMessage) -> Outcome:
    """Hand a message to the SMTP server, and return what became of it.

    A recipient or a message that is rejected with 5xx, as well as an address that cannot be written in a header, fails
    for good. Everything else is transient, also a login or a sender that is rejected: what is wrong is the settings,
    and the mail is sent when they are corrected.
    """
    import smtplib

    from checkend.notifications import smtp
    from checkend.notifications.http import DestinationRejectedError

    try:
        smtp.send(settings, message)
    except smtplib.SMTPDataError as error:
        return _rejected(error.smtp_code, error.smtp_error, permanent=error.smtp_code >= 500)
    except smtplib.SMTPRecipientsRefused as error:
        status, reason = next(iter(error.recipients.values()))
        return _rejected(status, reason, permanent=status >= 500)
    except smtplib.SMTPResponseException as error:
        return _rejected(error.smtp_code, error.smtp_error, permanent=False)
    except DestinationRejectedError as error:
        return Outcome(str(error))
    except (OSError, smtplib.SMTPException) as error:
        return Outcome(f"The mail could not be sent: {smtp.describe(error)}.")
    except ValueError as error:
        return Outcome(f"The mail could not be sent: {error}", permanent=True)
    return Outcome(status=250)


def _rejected(status: int, reason: bytes | str, *, permanent: bool) -> Outcome:
    text = fit(reason.decode(errors="replace") if isinstance(reason, bytes) else reason, RESPONSE_LIMIT)
    return Outcome(f"The mail server responded {status}: {text}", status, permanent)


def send_test(recipient: str) -> Outcome:
    """Send a test mail now, outside of the outbox, and return what became of it."""
    try:
        settings = current_settings()
    except SecretsUnreadableError as error:
        return Outcome(str(error))
    if settings is None:
        return Outcome(NOT_CONFIGURED)
    db.session.rollback()  # no read transaction stays open while the mail server takes its time
    mail = OutgoingMail(
        message_id=f"mail_{uuid4().hex}",
        recipient=recipient,
        subject="Test mail from Checkend",
        created_at=clock.now(),
    )
    outcome = send(settings, build_message(settings, mail, TEST_TEXT.format(server=settings.url or "this server")))
    outcomes["failed" if outcome.error else "sent"] += 1
    return outcome
