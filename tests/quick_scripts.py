"""fakeredis, as far as it runs scripts: compiled once, not at each call.

It also collects all of Lua's garbage after each script, and looks for stray globals after each command in one. A real
server refuses a script that writes a global; nearly all tests run on one, too.
"""

from __future__ import annotations

from typing import Any

from fakeredis.commands_mixins import scripting_mixin

COLLECT_EVERY = 500
"""Scripts."""


class _Runtime:
    """In front of lupa's."""

    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime
        self._compiled: dict[bytes | str, Any] = {}
        self._runs = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runtime, name)

    def execute(self, code: bytes | str) -> Any:
        if code == "collectgarbage()":
            self._runs += 1
            return self._runtime.execute(code) if self._runs % COLLECT_EVERY == 0 else None
        compiled = self._compiled.get(code)
        if compiled is None:
            compiled = self._compiled[code] = self._runtime.compile(code)
        return compiled()


def make_quick() -> None:
    """For the whole process."""
    mixin: Any = scripting_mixin.ScriptingCommandsMixin
    whole = mixin._get_server_runtime

    def quick(self: Any, server: Any) -> Any:
        runtime = whole(self, server)
        found = server.__dict__.get("_quick")
        if found is None or found._runtime is not runtime:
            found = server._quick = _Runtime(runtime)
        return found

    mixin._get_server_runtime = quick
    scripting_mixin._check_for_lua_globals = lambda *_: None
