"""The API, spoken to with a key that may do everything."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from tests.api.helpers import Api


@pytest.fixture
def api(client: FlaskClient, key_for: Callable[..., dict[str, str]]) -> Api:
    """Speaks to the API with every permission."""
    return Api(client, key_for())
