"""Writes configurations into a folder of their own and loads them."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from bascule.config.errors import ConfigError
from bascule.config.loader import load
from bascule.config.plan import Plan

Load = Callable[..., Plan]
Fail = Callable[..., ConfigError]


@pytest.fixture
def load_text(tmp_path: Path) -> Load:
    """Load a configuration given as text; further files by keyword ``files``."""

    def load_text(text: str, env: Mapping[str, str] | None = None, files: Mapping[str, str] | None = None) -> Plan:
        for name, content in (files or {}).items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(textwrap.dedent(content))
        (tmp_path / "c.yaml").write_text(textwrap.dedent(text).lstrip("\n"))
        return load(tmp_path / "c.yaml", env or {})

    return load_text


@pytest.fixture
def fail_text(load_text: Load) -> Fail:
    """Load a configuration that must not load, and return its error."""

    def fail_text(*args: object, **kwargs: object) -> ConfigError:
        with pytest.raises(ConfigError) as caught:
            load_text(*args, **kwargs)
        return caught.value

    return fail_text
