"""How long does an MCP client wait for its server? Prints, in ms of the wall clock, from starting the process of
`scheduled-prompts mcp` to the answer to `initialize`, and to that of a first tool call (least, median, most).

    python benchmarks/mcp_start.py [--times N] [--store URL]

The store is a fresh embedded one unless another is named; it is opened by the first tool call.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

COMMAND = str(Path(sys.executable).with_name("scheduled-prompts"))
CLIENT = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "benchmark", "version": "1"}}


def start(store: str) -> tuple[float, float]:
    began = time.perf_counter()
    with subprocess.Popen(
        [COMMAND, "mcp", "--store", store], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:

        def ask(number: int, method: str, **params: Any) -> float:
            assert server.stdin is not None
            assert server.stdout is not None
            message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            server.stdin.write(json.dumps(message) + "\n")
            server.stdin.flush()
            assert "result" in json.loads(server.stdout.readline())
            return (time.perf_counter() - began) * 1000

        times = ask(1, "initialize", **CLIENT), ask(2, "tools/call", name="list_scheduled_prompts", arguments={})
        assert server.stdin is not None
        server.stdin.close()
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--store")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measured = [start(said.store or f"embedded:{folder}") for _ in range(said.times)]
    for name, times in zip(("initialize", "a first tool call"), zip(*measured, strict=True), strict=True):
        print(f"{name:<18} {min(times):6.0f} {statistics.median(times):6.0f} {max(times):6.0f}")


if __name__ == "__main__":
    main()
