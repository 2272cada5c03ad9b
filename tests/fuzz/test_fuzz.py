"""A bounded run of the fuzzer in the suite, and the proof that it would find what it is for."""

import pytest

from tests.fuzz.supervisor import run
from tests.fuzz.worker import WEIGHTS

SEED = 20261125


@pytest.mark.slow
def test_no_request_ends_in_a_server_error_a_traceback_or_a_second_of_cpu() -> None:
    findings = list(run(SEED, 0, 400, list(WEIGHTS)))
    assert not findings, "\n".join(map(str, findings))


@pytest.mark.slow
def test_the_fuzzer_finds_a_pattern_that_freezes_the_process() -> None:
    finding = next(run(SEED, 1_000, 5_000, ["reports"], plant=True), None)
    assert finding is not None
    assert "1 s of CPU" in finding.wrong
