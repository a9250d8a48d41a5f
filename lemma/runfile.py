"""``RUN/run.yaml``: the configuration that a run was last worked on with, and what has changed since.

It is written for people and for the comparison; the parts' manifests, not this file, decide what is fresh.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from lemma import __version__
from lemma.config import Config
from lemma.errors import RunError
from lemma.shards.files import write_whole
from lemma.shards.folder import EPOCH_FILE

NAME = "run.yaml"
NOT_KEPT = "(not kept)"
"""In place of what may be secret."""


def read_runfile(run: Path) -> dict[str, Any] | None:
    """The file's tree; None where the folder is new, or a run whose file was removed.

    Raises:
        RunError: the folder holds other things, or the file is damaged.
    """
    import yaml

    path = run / NAME
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if (run / "problems/summary.json").is_file():
            return None  # the file was removed, to be made anew
        is_opened = run.is_dir() and any(entry.name not in (".lock", EPOCH_FILE) for entry in run.iterdir())
        if is_opened and not (run / ".leases").is_dir():  # where others are about to open it, it is going to be a run
            raise RunError(f"{run}: is not empty and no run of lemma; choose another folder with -o") from None
        if run.exists() and not run.is_dir():
            raise RunError(f"{run}: is no folder; choose another with -o") from None
        return None
    except (yaml.YAMLError, OSError, UnicodeDecodeError, RecursionError) as error:
        raise RunError(f"{path}: cannot be read: {' '.join(str(error).split())}; remove it, it is made anew") from None
    if not isinstance(tree, dict) or not all(
        isinstance(tree.get(key) or {}, dict) for key in ("config", "fingerprints")
    ):
        raise RunError(f"{path}: damaged; remove it, it is made anew")
    if not isinstance(tree.get("config"), dict):
        raise RunError(f"{path}: damaged; remove it, it is made anew")
    return tree


def write_runfile(run: Path, config: Config, fingerprints: Mapping[str, str]) -> None:
    """Writes the file; no secret goes into it: headers lose their values, addresses their user and query."""
    import yaml

    tree = {
        "lemma": __version__,
        "fingerprints": dict(fingerprints),
        "config": redacted(config),
    }
    write_whole(run / NAME, [yaml.safe_dump(tree, sort_keys=False, allow_unicode=True).encode()])


def redacted(config: Config) -> dict[str, Any]:
    """The whole configuration as plain values, without what may be secret."""
    tree = config.model_dump(mode="json")
    for role in ("student", "teacher"):
        endpoint = tree.get(role)
        if endpoint is None:
            continue
        endpoint["headers"] = dict.fromkeys(endpoint["headers"], NOT_KEPT)
        if isinstance(endpoint["base_url"], list):
            endpoint["base_url"] = [_bare_url(url) for url in endpoint["base_url"]]
        elif endpoint["base_url"]:
            endpoint["base_url"] = _bare_url(endpoint["base_url"])
    return tree


def _bare_url(address: str) -> str:
    url = urlsplit(address)
    return urlunsplit((url.scheme, url.netloc.rpartition("@")[2], url.path, "", ""))


def changes(before: Mapping[str, Any], config: Config) -> list[str]:
    """What differs in content keys: ``["teacher.temperature 0.7 → 0.2", …]``."""
    try:
        old = _flat(Config.model_validate(before).content())
    except ValueError:  # of another version: whether parts are fresh, their manifests know
        return []
    new = _flat(config.content())
    return [
        f"{key} {old.get(key, 'none')} → {new.get(key, 'none')}"
        for key in dict.fromkeys([*old, *new])
        if old.get(key) != new.get(key)
    ]


def _flat(tree: Any, prefix: str = "") -> dict[str, str]:
    if isinstance(tree, dict):
        items = list(tree.items())
    elif isinstance(tree, list):
        items = list(enumerate(tree))
    else:
        return {prefix: str(tree)}
    flat: dict[str, str] = {}
    for key, value in items:
        flat.update(_flat(value, f"{prefix}.{key}" if prefix else str(key)))
    return flat
