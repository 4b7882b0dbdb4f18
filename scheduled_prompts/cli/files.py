"""Files that hold many prompts: reading TOML, YAML and JSON, writing so that a file is whole or not there, and saying
all that is wrong with one."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import yaml

from scheduled_prompts.cli.output import CommandFailed, write_error
from scheduled_prompts.errors import InvalidInput
from scheduled_prompts.scheduler.problems import SHOWN, Problem

STANDARD = "-"
_MERGE = "tag:yaml.org,2002:merge"
_CHUNK = 1 << 20
_DEEPEST = 100


def read_text(path: Path) -> str:
    """A file's text; that of standard input for `-`. Raises InvalidInput."""
    name = "standard input" if str(path) == STANDARD else str(path)
    try:
        raw = sys.stdin.buffer.read() if str(path) == STANDARD else path.read_bytes()
        return raw.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise InvalidInput(f"there is no file {name!r}") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InvalidInput(f"{name} cannot be read: {reason}") from error


def read_tables(path: Path) -> Any:
    """What a TOML or YAML file says. Raises InvalidInput, with the line where it is not well-formed."""
    suffix = path.suffix.lower()
    if suffix not in (".toml", ".yaml", ".yml"):
        raise InvalidInput(f"{path} is neither TOML nor YAML", hint="its name ends in .toml, .yaml or .yml")
    text = read_text(path)
    try:
        return tomllib.loads(text) if suffix == ".toml" else _yaml(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{path} is not valid TOML: {error}") from error
    except yaml.YAMLError as error:
        raise InvalidInput(f"{path} is not valid YAML: {_yaml_problem(error)}") from error
    except (RecursionError, ValueError, OverflowError) as error:  # depths and numbers that nobody means
        raise InvalidInput(f"{path} cannot be read: {error}") from error


def read_json(path: Path) -> Any:
    """What a JSON file (or standard input) says. Raises InvalidInput, with the line where it is not well-formed."""
    name = "standard input" if str(path) == STANDARD else str(path)
    text = read_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"{error.msg} (at line {error.lineno}, column {error.colno})"
        is_cut = not text[error.pos :].strip() or error.msg.startswith("Unterminated")
        hint = "it ends too early: is the file whole?" if is_cut else None
        raise InvalidInput(f"{name} is not valid JSON: {where}", hint=hint) from error
    except (RecursionError, ValueError) as error:
        raise InvalidInput(f"{name} cannot be read: {error}") from error


@contextmanager
def whole_or_nothing(target: str) -> Iterator[TextIO]:
    """A file to write: what was written comes to `target` (`-`: standard output) when all of it is there.

    A new file can be read by its owner alone, for prompts are private. Raises InvalidInput where it cannot be written.
    """
    path = None if target == STANDARD else Path(os.path.realpath(target))
    replaces = path is not None and (path.is_file() or not path.exists())
    if path is not None and path.is_dir():
        raise InvalidInput(f"{target} is a directory", hint="name a file in it")
    try:
        number, name = tempfile.mkstemp(dir=path.parent if path and replaces else None, prefix=".export-")
    except OSError as error:
        raise InvalidInput(f"{target} cannot be written: {error.strerror}") from error
    draft = Path(name)
    try:
        with os.fdopen(number, "w+", encoding="utf-8") as file:
            yield file
            file.flush()
            if path is not None and replaces:
                if path.exists():
                    draft.chmod(path.stat().st_mode & 0o777)
                os.fsync(file.fileno())
                draft.replace(path)
            else:
                _copy(file, path)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise InvalidInput(f"{target} cannot be written: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)


def refusal(problems: Sequence[Problem], source: str, *, as_json: bool) -> CommandFailed:
    """The error that says all that is wrong with a file: for people one line each, of which all but the last are
    written here."""
    document = {"problems": [problem._asdict() for problem in problems]}
    message, hint = f"{source}: {len(problems):,} problems; nothing was written", None
    if len(problems) == 1:
        message, hint = f"{source}: {problems[0].text}", problems[0].hint
    elif not as_json:
        for problem in problems[:SHOWN]:
            write_error(InvalidInput(problem.text, hint=problem.hint), as_json=False)
    return CommandFailed(
        message, hint=hint, code=InvalidInput.code, exit_code=InvalidInput.exit_code, document=document
    )


def _copy(file: TextIO, path: Path | None) -> None:
    file.seek(0)
    if path is None:
        while chunk := file.read(_CHUNK):
            sys.stdout.write(chunk)
        sys.stdout.flush()
    else:  # a pipe, a device
        with path.open("w", encoding="utf-8") as target:
            while chunk := file.read(_CHUNK):
                target.write(chunk)


def _yaml(text: str) -> Any:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _refuse_twins(node)
        return loader.construct_document(node)
    finally:
        loader.dispose()


class _Loader(yaml.SafeLoader):
    def fetch_flow_collection_start(self, kind: Any) -> None:
        """A bracket. The scanner looks at all that are open for each that follows: a kilobyte of them took a second."""
        if self.flow_level >= _DEEPEST:
            raise yaml.MarkedYAMLError(None, None, f"brackets more than {_DEEPEST} deep", self.get_mark())
        super().fetch_flow_collection_start(kind)


def _refuse_twins(root: yaml.Node) -> None:
    """Keys that are there twice: YAML forbids them, and its reader takes the last."""
    seen, waiting = set(), [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            keys: set[tuple[str, str]] = set()
            for key, value in node.value:
                waiting.append(value)
                if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
                    if (key.tag, key.value) in keys:
                        raise yaml.MarkedYAMLError(None, None, f"the key {key.value!r} is there twice", key.start_mark)
                    keys.add((key.tag, key.value))


def _yaml_problem(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem:
        mark = error.problem_mark or error.context_mark
        return error.problem + (f" (at line {mark.line + 1}, column {mark.column + 1})" if mark else "")
    return " ".join(str(error).split())
