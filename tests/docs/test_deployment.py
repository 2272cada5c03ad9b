"""The files for deployment: the nightly backup can be restored, and the container runs with few rights."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.docs.test_pages import ROOT
from tests.support.server_process import LiveServer, command, environment
from tests.support.warm_processes import run

DEPLOY = ROOT / "deploy"


def _run_backup_unit(instance: Path, backups: Path) -> None:
    """Run the command of checkend-backup.service as systemd does, with folders of the test."""
    unit = (DEPLOY / "checkend-backup.service").read_text(encoding="utf-8")
    (line,) = re.findall(r"^ExecStart=(.+)$", unit, re.MULTILINE)
    line = line.replace("$$", "$").replace("%%", "%").replace("/var/lib/checkend-backups", str(backups))
    line = line.replace("/opt/checkend/bin/checkend", str(Path(sys.executable).with_name("checkend")))
    done = subprocess.run(shlex.split(line), env=environment(instance), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow  # it starts an interpreter, as the unit does
def test_what_the_backup_unit_writes_can_be_restored(tmp_path: Path) -> None:
    instance, backups, drill = (tmp_path / name for name in ("instance", "backups", "drill"))
    backups.mkdir()
    with LiveServer(instance) as server:
        command(instance, "app", "create", "Shop")
        assert run(["send-test", "shop", "--url", server.url], env=environment(instance)).returncode == 0
        _run_backup_unit(instance, backups)
    (backup,) = backups.iterdir()
    assert re.fullmatch(r"checkend-[1-7]\.sqlite3", backup.name)
    drill.mkdir(mode=0o700)
    command(drill, "db", "restore", str(backup))
    (problem,) = command(drill, "problem", "list")
    assert problem["error_class"] == "CheckendTestError"


def test_the_container_is_not_root_and_cannot_write_outside_of_its_volume() -> None:
    containerfile = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    instructions = re.findall(r"^([A-Z]+) (.*)$", containerfile, re.MULTILINE)
    assert ("USER", "checkend") in instructions[: instructions.index(("ENTRYPOINT", '["checkend"]'))]
    assert ("VOLUME", "/data") in instructions
    assert any(name == "HEALTHCHECK" and "/up" in value for name, value in instructions)
    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]["checkend"]
    assert (service["read_only"], service["tmpfs"], service["cap_drop"]) == (True, ["/tmp"], ["ALL"])
    assert service["volumes"] == ["data:/data"]
