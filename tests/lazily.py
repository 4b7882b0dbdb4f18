"""Modules of vendors, imported where a test needs them: each of the tests' processes reads all test files."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Lazily:
    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # pytest looks whether it is a fixture, a mock, or wraps something
            raise AttributeError(name)
        return getattr(import_module(self._module), name)
