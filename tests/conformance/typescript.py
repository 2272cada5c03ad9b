"""Types that openapi-typescript makes of the OpenAPI document compile, where Node is available."""

import subprocess
from pathlib import Path

from tests.docs.record import openapi

PROGRAM = """
import type { components, paths } from "./api";
type Apps = paths["/api/v1/apps"]["get"]["responses"][200]["content"]["application/json"];
export const status: components["schemas"]["Problem"]["status"] = "resolved";
export const apps: Apps = [];
"""


def compile_types(folder: Path, npm: str, npx: str) -> None:
    """Generate the types in ``folder`` and compile a program that uses them. Raises CalledProcessError."""
    (folder / "openapi.json").write_text(openapi(), encoding="utf-8")
    (folder / "program.ts").write_text(PROGRAM, encoding="utf-8")
    for arguments in (
        [npm, "install", "--silent", "--no-audit", "--no-fund", "openapi-typescript@7", "typescript@5"],
        [npx, "--no-install", "openapi-typescript", "openapi.json", "-o", "api.d.ts"],
        [npx, "--no-install", "tsc", "--strict", "--noEmit", "program.ts"],
    ):
        subprocess.run(arguments, cwd=folder, check=True)
