"""Uploads an exported folder to the Hugging Face hub, as a private dataset."""

from __future__ import annotations

from pathlib import Path

from lemma.errors import HubError
from lemma.shards.files import read_json


def push_export(folder: Path, name: str) -> str:
    """Uploads the files of an export in one commit, rejected rows aside, and returns the dataset's address.

    The dataset is made private where it is new: whether it may be published, its licences decide, not we. The token is
    the one that ``hf auth login`` kept, or ``HF_TOKEN``.

    Args:
        folder: of the export.
        name: such as ``me/my-data``.

    Raises:
        HubError: no token, no such account, no connection; or nothing whole to upload.
    """
    from httpx2 import HTTPError
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError, LocalTokenNotFoundError

    files = (read_json(folder / "export.manifest") or {}).get("files")
    if not isinstance(files, list):
        raise HubError(f"{folder}: no whole export is there to be uploaded; export again")
    try:
        api = HfApi()
        address = api.create_repo(name, repo_type="dataset", private=True, exist_ok=True)
        api.upload_folder(
            repo_id=address.repo_id,
            repo_type="dataset",
            folder_path=folder,
            allow_patterns=[str(file) for file in files if not str(file).startswith("rejected/")],
            commit_message="Export by lemma",
        )
    except LocalTokenNotFoundError:
        raise HubError("the hub wants a token: run `hf auth login`, or set HF_TOKEN; the export is on disk") from None
    except HFValidationError as error:
        raise HubError(f"--push-to-hub {name}: {_line(error)}") from None
    except (HTTPError, OSError) as error:
        raise HubError(f"the hub refused or could not be reached: {_line(error)}; the export is on disk") from None
    return str(address)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
