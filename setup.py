"""The part of the build that pyproject.toml cannot express: a README whose links also work on a package index."""

import re
from pathlib import Path

from setuptools import setup

REPOSITORY = "https://github.com/checkend/checkend-server"
readme = (Path(__file__).parent / "README.md").read_text(encoding="utf-8")
readme = re.sub(r"(!\[[^\]]*\]\()(?!https?:)", rf"\1{REPOSITORY}/raw/HEAD/", readme)
readme = re.sub(r"(\]\()(?!https?:|#)", rf"\1{REPOSITORY}/blob/HEAD/", readme)
setup(long_description=readme, long_description_content_type="text/markdown")
