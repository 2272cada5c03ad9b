"""Passwords that a user had."""

import pytest

from checkend.models import OldPassword, User
from checkend.models.rules import RuleBroken
from tests.factories import Factory


def test_none_of_the_last_five_passwords_is_taken_again(make: Factory) -> None:
    user_id = make.user(password="password 0")
    with make.writing() as session:
        user = session.get_one(User, user_id)
        for number in range(1, 7):
            user.set_password(f"password {number}", refuse_recent=True)
        for number in range(2, 7):
            with pytest.raises(RuleBroken, match="one of your last 5"):
                user.set_password(f"password {number}", refuse_recent=True)
        user.set_password("password 1", refuse_recent=True)
    with make.writing() as session:
        assert session.query(OldPassword).count() == 4
        assert session.get_one(User, user_id).check_password("password 1")
