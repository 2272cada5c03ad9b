"""The pytest plugin, in suites of its own."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.fixture_process import CHECKOUT, environment, folders

pytestmark = pytest.mark.slow

pytest_plugins = ["pytester"]

REPORT = """
import json, urllib.error, urllib.request
import pytest

def report(env, error_class, key=None):
    body = json.dumps({"error": {"class": error_class, "message": "it broke"}}).encode()
    headers = {"Content-Type": "application/json", "Checkend-Ingestion-Key": key or env["CHECKEND_API_KEY"]}
    request = urllib.request.Request(env["CHECKEND_ENDPOINT"] + "/ingest/v1/errors", body, headers)
    try:
        urllib.request.urlopen(request, timeout=10).close()
    except urllib.error.HTTPError as error:
        error.close()
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Provide a suite that imports this checkout, with the plugin registered as the distribution does."""
    entry_points = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    installed = pytester.path / "installed" / "checkend_server-0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: checkend-server\nVersion: 0\n")
    lines = [f"{name} = {module}" for name, module in entry_points.items()]
    (installed / "entry_points.txt").write_text("\n".join(["[pytest11]", *lines, ""]))
    monkeypatch.setenv("PYTHONPATH", f"{CHECKOUT}:{installed.parent}")
    monkeypatch.syspath_prepend(installed.parent)
    return pytester


def run(
    suite: pytest.Pytester, code: str, *options: str, passed: int = 0, failed: int = 0, own_process: bool = False
) -> str:
    """Return what pytest prints about the tests in ``code``, run in this process or in another."""
    suite.makepyfile(REPORT + code)
    before = folders()
    options = ("-W", "error", "-p", "no:cacheprovider", *options)
    result = suite.runpytest_subprocess(*options, timeout=120) if own_process else suite.runpytest_inprocess(*options)
    result.assert_outcomes(passed=passed, failed=failed)
    assert not folders() - before
    return result.stdout.str()


def test_tests_have_an_app_of_their_own_and_see_nothing_of_each_other(suite: pytest.Pytester) -> None:
    run(
        suite,
        """
        @pytest.mark.parametrize("number", range(5))
        def test_alone(checkend, checkend_server, number):
            assert [app["slug"] for app in checkend.client.apps()] == [checkend.slug]
            assert not checkend.client.users() and not checkend.client.teams()
            assert not checkend.problems() and not checkend.requests()
            report(checkend.env, f"Error{number}")
            report(checkend.env, "Refused", key="cki_wrong")
            user = checkend.client.create_user("someone@example.com", "long enough")
            checkend.client.create_team("Team", user["id"])
            checkend.faults.answer(500)
            assert checkend.wait_for_problem()["error_class"] == f"Error{number}"
            assert checkend.url == checkend_server.url

        class TestInClass:
            def test_alone(self, checkend):
                checkend.assert_no_problems()
        """.replace("\n        ", "\n"),
        passed=6,
    )


def test_workers_have_a_server_each(suite: pytest.Pytester) -> None:
    said = run(
        suite,
        """
        @pytest.mark.parametrize("number", range(12))
        def test_alone(checkend, worker_id, number):
            report(checkend.env, f"Error{number}")
            assert [problem["error_class"] for problem in checkend.problems()] == [f"Error{number}"]
            assert len(checkend.client.apps()) == 1
            with open("servers", "a") as file:
                print(worker_id, checkend.url, file=file)
        """.replace("\n        ", "\n"),
        "-n",
        "2",
        passed=12,
        own_process=True,
    )
    assert "2 workers" in said
    pairs = {tuple(line.split()) for line in (suite.path / "servers").read_text().splitlines()}
    assert len({url for _, url in pairs}) == len({worker for worker, _ in pairs}) == len(pairs) > 1


def test_a_failure_says_what_came_and_shows_no_code_of_ours(suite: pytest.Pytester) -> None:
    said = run(
        suite,
        """
        def test_waits(checkend):
            report(checkend.env, "TypeError")
            report(checkend.env, "KeyError", key="cki_of-another")
            checkend.wait_for_problem("KeyError", timeout=0.1)

        def test_nothing(checkend):
            report(checkend.env, "KeyError")
            checkend.assert_no_problems()
        """.replace("\n        ", "\n"),
        failed=2,
    )
    assert "No problem of class 'KeyError' was reported within 0.1 s." in said
    assert "1 x TypeError: it broke" in said
    assert "401: wrong key: 'cki_of-ano…' is not an ingestion key of this server" in said
    assert "Expected no problem, but one was reported." in said
    assert "checkend/testing" not in said


def test_the_marker_fails_a_test_that_reports_what_it_did_not_expect(suite: pytest.Pytester) -> None:
    said = run(
        suite,
        """
        import threading
        strict = pytest.mark.checkend(fail_on_unexpected=True)

        @strict
        def test_silent():
            pass

        @strict
        def test_expected(checkend):
            checkend.expect("Known")
            report(checkend.env, "Known")
            report(checkend.env, "Waited")
            checkend.wait_for_problem("Waited")

        @strict
        def test_unexpected(checkend):
            report(checkend.env, "Surprise")

        @strict
        def test_refused(checkend):
            report(checkend.env, "Wrong", key="cki_of-another")

        @pytest.mark.checkend(fail_on_unexpected=True, within=5)
        def test_late(checkend):
            threading.Timer(0.3, report, [checkend.env, "Late"]).start()

        @pytest.mark.checkend
        def test_lax(checkend):
            report(checkend.env, "Whatever")

        @pytest.mark.checkend(fail_on_unexpeted=True)
        def test_misspelt(checkend):
            pass
        """.replace("\n        ", "\n"),
        "--strict-markers",
        passed=3,
        failed=4,
    )
    assert "The program reported errors that the test did not expect: Surprise." in said
    assert "The program sent a rejected report." in said
    assert "did not expect: Late." in said
    assert "accepts the keywords fail_on_unexpected and within, but not fail_on_unexpeted" in said


def test_the_marker_works_on_classes_and_unittest(suite: pytest.Pytester) -> None:
    run(
        suite,
        """
        import unittest

        @pytest.mark.checkend(fail_on_unexpected=True)
        class TestStrict:
            def test_fails(self, checkend):
                report(checkend.env, "Surprise")

        @pytest.mark.usefixtures("attached")
        class TestOld(unittest.TestCase):
            def test_reports(self):
                report(self.checkend.env, "Known")
                assert self.checkend.wait_for_problem("Known")

        @pytest.fixture
        def attached(request, checkend):
            request.instance.checkend = checkend
        """.replace("\n        ", "\n"),
        passed=1,
        failed=1,
    )


def test_the_servers_settings_can_be_given(suite: pytest.Pytester) -> None:
    suite.makeconftest(
        "import pytest\n"
        "@pytest.fixture(scope='session')\n"
        "def checkend_settings():\n"
        "    return {'NOTICE_DEDUP_ENABLED': True}\n"
    )
    run(
        suite,
        """
        def test_counts(checkend):
            report(checkend.env, "Same")
            report(checkend.env, "Same")
            assert checkend.problems()[0]["deduplicated_count"] == 1
        """.replace("\n        ", "\n"),
        passed=1,
    )


def test_it_costs_nothing_until_it_is_asked_for(suite: pytest.Pytester) -> None:
    run(
        suite,
        """
        import sys

        def test_nothing_is_loaded(pytestconfig):
            assert pytestconfig.pluginmanager.has_plugin("checkend")
            heavy = {"flask", "sqlalchemy", "waitress", "checkend.testing.server"}
            assert not heavy & set(sys.modules), heavy & set(sys.modules)
        """.replace("\n        ", "\n"),
        passed=1,
        own_process=True,
    )


def test_it_can_be_switched_off(suite: pytest.Pytester) -> None:
    suite.makepyfile("def test_it(checkend): pass")
    result = suite.runpytest_inprocess("-p", "no:checkend")
    result.assert_outcomes(errors=1)
    assert "fixture 'checkend' not found" in result.stdout.str()


def test_a_server_that_cannot_start_says_why(suite: pytest.Pytester) -> None:
    suite.makeconftest(
        "import pytest\n@pytest.fixture(scope='session')\ndef checkend_settings():\n    return {'THREADS': 'many'}\n"
    )
    suite.makepyfile("def test_it(checkend): pass")
    result = suite.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    assert "Checkend cannot start: CHECKEND_THREADS is 'many', but must be a whole number" in result.stdout.str()
    assert "Traceback" not in result.stdout.str()


def test_plain_unittest_needs_no_plugin(tmp_path: Path) -> None:
    (tmp_path / "test_plain.py").write_text(
        "import unittest, urllib.request\n"
        "from checkend.testing import Server\n"
        "class Reports(unittest.TestCase):\n"
        "    def setUp(self):\n"
        "        self.server = self.enterContext(Server())\n"
        "    def test_it(self):\n"
        '        body = b\'{"error": {"class": "Boom"}}\'\n'
        "        url = f'{self.server.url}/ingest/v1/errors?key={self.server.app.ingestion_key}'\n"
        "        headers = {'Content-Type': 'application/json'}\n"
        "        urllib.request.urlopen(urllib.request.Request(url, body, headers)).close()\n"
        "        self.assertEqual(self.server.app.wait_for_problem('Boom')['notices_count'], 1)\n"
    )
    command = [sys.executable, "-W", "error", "-m", "unittest", "test_plain"]
    ran = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=30)
    assert ran.returncode == 0, ran.stderr
