"""What the forms share, and the small ones. Forms know labels and shapes; what is allowed, the models say."""

from collections.abc import Callable

from flask_wtf import FlaskForm
from wtforms import EmailField, PasswordField
from wtforms.validators import InputRequired

from checkend.extensions import db
from checkend.models.rules import RuleBroken


class Form(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    """A form of the dashboard. Its CSRF token is checked for all pages at once, in `checkend.web.security`."""

    class Meta:
        csrf = False

    def carries_out(self, action: Callable[[], object]) -> bool:
        """Whether ``action`` could be done. What a model's rule says against it stands on the form, nothing changed."""
        try:
            action()
        except RuleBroken as broken:
            db.session.rollback()
            self.form_errors.extend(broken.messages)
            return False
        return True


class SignInForm(Form):
    """Who one is."""

    email_address = EmailField("Email address", [InputRequired("Enter your email address.")])
    password = PasswordField("Password", [InputRequired("Enter your password.")])
