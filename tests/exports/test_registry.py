from __future__ import annotations

import pytest

from lemma.config import ExportConfig
from lemma.errors import ConfigError
from lemma.exports import FORMATS, formats_of
from lemma.exports.registry import ROWS


def test_an_unknown_format_is_told_with_the_known_ones_the_nearest_first() -> None:
    with pytest.raises(ConfigError, match=r"'sharegtp'; known are sharegpt, ") as caught:
        formats_of(["alpaca", "sharegtp"])
    assert all(name in str(caught.value) for name in FORMATS)


@pytest.mark.parametrize("name", ["", "%s{0}", "ALPACA", "a" * 5000])
def test_any_unknown_name_is_an_error(name: str) -> None:
    with pytest.raises(ConfigError, match="unknown format"):
        formats_of([name])


def test_the_formats_that_are_default_exist_and_a_name_given_twice_counts_once() -> None:
    defaults = ExportConfig().formats
    assert list(formats_of([*defaults, *defaults])) == defaults
    assert set(defaults) <= set(FORMATS)


def test_no_two_formats_write_the_same_file() -> None:
    names = [
        name for form in (ROWS, *FORMATS.values()) for name in (form.train, form.validation, *form.companion_names)
    ]
    assert len(set(names)) == len(names)
