"""Modules of vendors, imported where a test needs them: each of the tests' processes reads all test files."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Lazily:
    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self._module), name)
