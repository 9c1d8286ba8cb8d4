"""What pyproject.toml and constraints.txt say, for what must say the same."""

import re
import tomllib

from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
OURS: str = PROJECT["project"]["version"]
PYTHON: str = PROJECT["tool"]["mypy"]["python_version"]
PINNED = dict(re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE))

IMAGE = f"registry.example.com/genre-batch:{OURS}"
