"""What may be the name of an owner, a runner, a platform, …"""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

Name = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\s/:{}\x00-\x1f\x7f]+$")]
"""A word that may become part of a Redis key: no blank, control character, `/`, `:`, `{` or `}`."""
