"""Every exception that lemma raises on purpose.

::

    LemmaError                 one line for a person; `exit_code` is the process's status
    ├── ConfigError            the configuration cannot be used
    ├── InputError             an input file cannot be used
    ├── RunError               the run's folder cannot be used (locked, damaged, of another kind)
    ├── DiskError              writing failed (no space, read-only)
    ├── TeacherError           the endpoint refuses us altogether (key, model name, quota)
    ├── StorageError           the object storage that a run lives in refuses or cannot be reached
    ├── HubError               the Hugging Face hub refuses or cannot be reached
    └── Incomplete             ended with units left to do; the same command goes on (status 3)
        └── Interrupted        ended by the user (status 130)
    UnitError                  about one unit of work; becomes a `Rejection`, never ends a run
    ├── ParseError             the reply cannot be read: the next attempt is made
    └── Rejected               the reply was read and is not good enough: final
"""

from __future__ import annotations


class LemmaError(Exception):
    """Something a person has to know. `str()` is one line: what is wrong, where, how to mend it."""

    exit_code = 1


class ConfigError(LemmaError):
    """The configuration is wrong; the message names the key."""


class InputError(LemmaError):
    """An input file is missing, empty or unreadable; the message names the file."""


class RunError(LemmaError):
    """The run's folder is locked by another process, damaged, or no run at all."""


class DiskError(LemmaError):
    """The disk refused a write (no space left, read-only)."""


class TeacherError(LemmaError):
    """The endpoint refuses every call: wrong key, unknown model, no quota left."""


class HubError(LemmaError):
    """The Hugging Face hub refuses an upload, or cannot be reached; what was to be uploaded is on disk."""


class StorageError(LemmaError):
    """The object storage that a run lives in refuses us, or cannot be reached."""


class Incomplete(LemmaError):
    """Units are left to do; everything paid for is on disk and the same command goes on."""

    exit_code = 3


class Interrupted(Incomplete):
    """The user interrupted the run."""

    exit_code = 130


class UnitError(Exception):
    """Why one unit of work gave no record.

    Args:
        reason: a fixed short word, a key of `lemma.reasons.REASONS`.
        detail: what exactly was seen, for people; may quote model output.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class ParseError(UnitError):
    """The reply has not the form that the prompt asks for; another attempt may have."""


class Rejected(UnitError):
    """The reply was read, and what it says fails a check; asking again is not ours to do."""
