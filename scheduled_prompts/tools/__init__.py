"""What an agent calls: the tools, their schemas for whoever offers them to a model, and their answers."""

from scheduled_prompts.tools.spec import Argument, ToolSpec
from scheduled_prompts.tools.toolbox import BoundTools, Tools, specs

__all__ = ["Argument", "BoundTools", "ToolSpec", "Tools", "specs"]
