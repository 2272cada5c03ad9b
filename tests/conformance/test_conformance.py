"""A bounded run of Schemathesis: no 5xx, no undocumented status, no response outside the document."""

from pathlib import Path

import pytest

from tests.conformance.run import run_schemathesis, sample_server

SEED = 20261201


@pytest.mark.slow
def test_no_generated_request_gets_a_response_outside_the_document(tmp_path: Path) -> None:
    with sample_server(tmp_path / "instance") as (url, strong, weak):
        for key, phases in ((strong, "examples,stateful"), (weak, "examples")):
            status, output = run_schemathesis(url, key, phases=phases, max_examples=2, seed=SEED)
            assert status == 0, output
