"""Reading a configuration: YAML with overrides from the command line; faults are told in people's words."""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from lemma.config import Config, Section
from lemma.errors import ConfigError
from lemma.evaluate.benchmarks import expand_sets

MERGE_TAG = "tag:yaml.org,2002:merge"


def load_config(path: Path, overrides: Iterable[str] = (), limit: int | None = None) -> Config:
    """Reads a configuration file.

    Args:
        path: a YAML file.
        overrides: ``key.sub=value`` texts; the value is read as YAML, a number reaches into a list.
        limit: if given, every data source's limit.

    Raises:
        ConfigError: naming the file, the key and, for an unknown key, the nearest known one.
    """
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such configuration file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    try:
        tree = yaml.load(text, Loader=_unique_key_loader())
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ConfigError(f"{path}: not valid YAML: nested too deeply") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: must be a mapping of keys, such as `data:`")
    for override in overrides:
        _apply(tree, override)
    expand_sets(tree)
    if limit is not None:
        sources = tree.get("data")
        for source in sources if isinstance(sources, list) else ():
            if isinstance(source, dict):
                source["limit"] = limit
    return parse_config(tree, str(path))


def parse_config(tree: dict[str, Any], where: str) -> Config:
    """Validates a tree of plain values.

    Raises:
        ConfigError: see `load_config`; `where` is named in the message.
    """
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        raise ConfigError("; ".join(_explain(where, item) for item in error.errors()[:5])) from None


def _unique_key_loader() -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """PyYAML keeps the last of two equal keys without a word; here that is an error."""

    def mapping(loader: Any, node: Any) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if key_node.tag == MERGE_TAG:  # `<<: *other`, whose keys may be repeated
                continue
            key = loader.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.constructor.ConstructorError(None, None, "a key must be a plain value", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands there twice", key_node.start_mark
                )
            seen.add(key)
        return yaml.SafeLoader.construct_mapping(loader, node, deep=True)

    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    return Loader


def _apply(tree: Any, override: str) -> None:
    import yaml

    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {override}: write it as key.sub=value")
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError):
        raise ConfigError(f"--set {override}: the value is not valid YAML") from None
    *parents, last = key.split(".")
    node = tree
    for name in parents:
        node = _child(node, name, override)
    if isinstance(node, list):
        node[_index(node, last, override)] = value
    elif isinstance(node, dict):
        node[last] = value
    else:
        raise ConfigError(f"--set {override}: there is nothing to set a key in")


def _child(node: Any, name: str, override: str) -> Any:
    if isinstance(node, list):
        return node[_index(node, name, override)]
    if not isinstance(node, dict):
        raise ConfigError(f"--set {override}: {name} lies under a plain value")
    if node.get(name) is None:
        node[name] = {}
    return node[name]


def _index(node: list[Any], name: str, override: str) -> int:
    if not name.isdigit() or int(name) >= len(node):
        raise ConfigError(f"--set {override}: {name} must be a number below {len(node)}")
    return int(name)


def _explain(where: str, item: Any) -> str:
    """One pydantic error as one sentence."""
    loc = [str(part) for part in item["loc"]]
    key = ".".join(loc)
    if item["type"] == "extra_forbidden":
        known = _known_keys(loc[:-1])
        near = difflib.get_close_matches(loc[-1], known, n=1, cutoff=0.5)
        hint = f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(known)}"
        return f"{where}: unknown key `{key}`; {hint}"
    if item["type"] == "missing":
        return f"{where}: the key `{key}` is missing"
    message = item["msg"].removeprefix("Value error, ")
    return f"{where}: `{key}` {message[0].lower() + message[1:]} (given: {item['input']!r:.80})"


def _known_keys(path: list[str]) -> list[str]:
    """The keys that the section at `path` knows."""
    section: type[Section] = Config
    for name in path:
        if name.isdigit() or name not in section.model_fields:
            continue
        section = _section_in(section.model_fields[name].annotation) or section
    return list(section.model_fields)


def _section_in(annotation: Any) -> type[Section] | None:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    for part in get_args(annotation):
        found = _section_in(part)
        if found is not None:
            return found
    return None
