"""The counted error types and the frozen target that injection aims at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lemma.config import InjectConfig
from lemma.distribution import check_types, distribution_of, freeze_target, tally_key, write_distribution
from lemma.errors import ConfigError
from lemma.shards.files import read_json
from lemma.shards.manifest import Manifest
from lemma.taxonomy import load_taxonomy
from tests.stages.builders import mistake

TAXONOMY = load_taxonomy()


def manifest(counts: dict[tuple[str, str, str], int]) -> Manifest:
    total = sum(counts.values())
    return Manifest(
        stage="analyze",
        part=0,
        fingerprint="",
        inputs={},
        files={},
        units=total,
        kept=total,
        rejected=0,
        tally={json.dumps(list(key)): count for key, count in counts.items()},
    )


COUNTS = [
    {("gsm8k", "small", "calculation_error"): 6, ("gsm8k", "small", "missing_step"): 2},
    {("gsm8k", "large", "calculation_error"): 1, ("math", "small", "formula_confusion"): 1},
]


def freeze(run: Path, distribution: Any, *datasets: str, renew: bool = False, **wish: Any) -> tuple[Any, bool]:
    return freeze_target(run, InjectConfig(**wish), distribution, datasets or ("gsm8k",), TAXONOMY, renew)


def test_counts_add_up_over_parts_datasets_and_students() -> None:
    distribution = distribution_of(map(manifest, COUNTS))
    assert distribution["mistakes"] == 10
    assert distribution["types"]["calculation_error"] == {"count": 7, "share": 0.7}
    assert list(distribution["types"]) == ["calculation_error", "missing_step", "formula_confusion"]
    gsm8k = distribution["datasets"]["gsm8k"]
    assert (gsm8k["mistakes"], distribution["datasets"]["math"]["mistakes"]) == (9, 1)
    assert gsm8k["students"]["small"]["types"]["missing_step"] == {"count": 2, "share": 0.25}
    assert gsm8k["students"]["large"] == {"mistakes": 1, "types": {"calculation_error": {"count": 1, "share": 1.0}}}
    for part in (distribution, gsm8k, *gsm8k["students"].values()):
        assert sum(entry["share"] for entry in part["types"].values()) == pytest.approx(1, abs=1e-5)


def test_the_order_of_parts_changes_no_byte(tmp_path: Path) -> None:
    for name, counts in (("a", COUNTS), ("b", COUNTS[::-1])):
        write_distribution(tmp_path / name, map(manifest, counts))
    one, two = ((tmp_path / name / "analyze/distribution.json").read_bytes() for name in "ab")
    assert one == two


def test_no_mistakes_give_an_empty_distribution() -> None:
    assert distribution_of([]) == {"mistakes": 0, "types": {}, "datasets": {}}


def test_names_with_strange_signs_are_kept_apart() -> None:
    one = mistake(model='a","b', error_type="calculation_error")
    assert json.loads(tally_key(one)) == ["words", 'a","b', "calculation_error"]
    distribution = distribution_of([manifest({("d", 'x","y', "t"): 1, ("d", "x", "t"): 2})])
    assert set(distribution["datasets"]["d"]["students"]) == {'x","y', "x"}


# ── the target ──


def test_each_dataset_aims_at_its_own_mistakes_and_one_without_any_at_those_of_all(tmp_path: Path) -> None:
    target, has_grown = freeze(tmp_path, distribution_of(map(manifest, COUNTS)), "gsm8k", "math", "new")
    assert not has_grown
    assert target["datasets"]["math"]["target"] == {"formula_confusion": 1.0}
    assert target["datasets"]["math"]["from"] == "its own mistakes"
    assert target["datasets"]["gsm8k"]["target"] == {"calculation_error": 0.777778, "missing_step": 0.222222}
    assert target["datasets"]["new"]["from"] == "the mistakes of the other datasets"
    assert target["datasets"]["new"]["target"]["calculation_error"] == 0.7
    assert read_json(tmp_path / "inject/target.json") == target


def test_rare_types_and_those_that_cannot_be_injected_are_left_out_and_named(tmp_path: Path) -> None:
    counts = {"calculation_error": 590, "missing_step": 300, "unit_conversion_error": 9, "nonsensical_output": 100}
    distribution = distribution_of([manifest({("gsm8k", "s", name): count for name, count in counts.items()})])
    entry = freeze(tmp_path, distribution)[0]["datasets"]["gsm8k"]
    assert entry["target"] == {"calculation_error": 0.662922, "missing_step": 0.337078}
    assert entry["left_out"]["nonsensical_output"]["why"] == "cannot be injected"
    assert entry["left_out"]["unit_conversion_error"]["why"] == "below min_share 0.01"
    assert sum(entry["target"].values()) == pytest.approx(1, abs=1e-5)


def test_given_shares_count_in_place_of_the_analysis(tmp_path: Path) -> None:
    types = {"calculation_error": 3, "missing_step": 1, "operator_error": 0}
    entry = freeze(tmp_path, distribution_of([]), types=types)[0]["datasets"]["gsm8k"]
    assert entry == {
        "target": {"calculation_error": 0.75, "missing_step": 0.25},
        "left_out": {},
        "from": "the configuration",
    }


def test_the_target_is_frozen_and_says_that_the_analysis_has_grown(tmp_path: Path) -> None:
    first, _ = freeze(tmp_path, distribution_of([manifest(COUNTS[0])]))
    raw = (tmp_path / "inject/target.json").read_bytes()
    grown = distribution_of(map(manifest, COUNTS))
    assert freeze(tmp_path, grown) == (first, True)
    assert (tmp_path / "inject/target.json").read_bytes() == raw
    renewed, has_grown = freeze(tmp_path, grown, renew=True)
    assert not has_grown
    assert renewed["mistakes"] == 10
    assert freeze(tmp_path, grown) == (renewed, False)


def test_a_dataset_that_comes_later_is_added_and_the_others_stay_frozen(tmp_path: Path) -> None:
    first, _ = freeze(tmp_path, distribution_of([manifest(COUNTS[0])]))
    both, _ = freeze(tmp_path, distribution_of(map(manifest, COUNTS)), "gsm8k", "math")
    assert both["datasets"]["gsm8k"] == first["datasets"]["gsm8k"]
    assert both["datasets"]["math"]["target"] == {"formula_confusion": 1.0}


def test_another_wish_makes_another_target(tmp_path: Path) -> None:
    distribution = distribution_of(map(manifest, COUNTS))
    freeze(tmp_path, distribution)
    target, _ = freeze(tmp_path, distribution, min_share=0.3)
    assert target["datasets"]["gsm8k"]["target"] == {"calculation_error": 1.0}
    again, _ = freeze(tmp_path, distribution, types={"missing_step": 1.0})
    assert again["datasets"]["gsm8k"]["target"] == {"missing_step": 1.0}


def test_an_analysis_without_mistakes_asks_for_shares(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the analysis found no mistake to learn from; give shares, such as"):
        freeze(tmp_path, distribution_of([]))
    assert not (tmp_path / "inject").exists()


def test_an_analysis_that_leaves_nothing_to_inject_says_why(tmp_path: Path) -> None:
    distribution = distribution_of([manifest({("gsm8k", "s", "nonsensical_output"): 3})])
    with pytest.raises(ConfigError, match=r"gsm8k: no type is left .*\(nonsensical_output cannot be injected\)"):
        freeze(tmp_path, distribution)


@pytest.mark.parametrize(
    ("types", "says"),
    [
        ({"calculation_error": 1, "calculation_eror": 1}, "unknown error type `calculation_eror`; known: adding_"),
        ({"nonsensical_output": 1}, r"no type is left to draw from \(nonsensical_output cannot be injected\)"),
    ],
)
def test_wrong_types_are_told_before_the_work_begins(types: dict[str, float], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        check_types(InjectConfig(types=types), TAXONOMY)


def test_right_types_and_those_of_the_analysis_pass() -> None:
    check_types(InjectConfig(), TAXONOMY)
    check_types(InjectConfig(types={"calculation_error": 9, "nonsensical_output": 1, "missing_step": 0}), TAXONOMY)
