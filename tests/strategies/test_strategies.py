from __future__ import annotations

from lemma.prompts import PACKAGE_FOLDER
from lemma.stages.base import Gold, Group
from lemma.stages.golds import Golds, collect_golds
from lemma.strategies import STRATEGIES, FixContinue, FreshRestart, register
from lemma.strategies.fresh_restart import is_other_path
from tests.stages.builders import PENCILS, RIGHT, WRONG, mistake, sample

REFERENCE = Gold("There are 5 * 12 = 60 pencils.\nShe sells 42.\nThe answer is: 21", "reference", "p")


def gold(text: str) -> Gold:
    return Gold(text, "student", f"s-{text[:12]}")


def test_every_registered_strategy_has_its_prompts() -> None:
    assert set(STRATEGIES) >= {"fix_continue", "fresh_restart"}
    for name, strategy in STRATEGIES.items():
        assert strategy.name == name
        assert all((PACKAGE_FOLDER / f"{template}.md").is_file() for template in strategy.templates)


def test_a_plugins_strategy_is_found_by_its_name() -> None:
    class Other(FixContinue):
        name = "other"

    register(Other())
    try:
        assert STRATEGIES["other"].name == "other"
    finally:
        del STRATEGIES["other"]


def test_the_guide_of_fix_and_continue_is_what_the_mistake_was_injected_into() -> None:
    own = gold("Five boxes hold 60 pencils.\nShe sells 42 of them.\nThat is $21.")
    one = mistake("Five boxes hold 60 pencils.\nShe sells 48 of them.\nThat is $24.", "48 of them.", origin="injected")
    golds = Golds(REFERENCE, (gold("By dozens: 5.\nIt is $21."), own))
    assert FixContinue().choose_gold(one, golds, "0") == (own, False)
    assert FixContinue().choose_gold(mistake(), golds, "0") == (REFERENCE, False)


def test_the_new_start_is_another_path_drawn_by_the_seed() -> None:
    others = tuple(gold(f"{number} dozen pencils make 60.\nIt is $21.") for number in ("Five", "5", "Full 5"))
    golds = Golds(REFERENCE, others)
    drawn = {FreshRestart().choose_gold(mistake(), golds, str(seed))[0].id for seed in range(30)}
    assert drawn == {other.id for other in others}
    assert all(FreshRestart().choose_gold(mistake(), golds, str(seed))[1] for seed in range(30))
    assert FreshRestart().choose_gold(mistake(), golds, "7") == FreshRestart().choose_gold(mistake(), golds, "7")


def test_the_solution_that_was_injected_into_is_no_new_start() -> None:
    one = mistake("There are 5 * 12 = 50 pencils.\nShe sells 32.\nThat is $16.", "50 pencils.", origin="injected")
    assert not is_other_path(REFERENCE, one)
    assert FreshRestart().choose_gold(one, Golds(REFERENCE, ()), "0") == (REFERENCE, False)
    assert is_other_path(gold("A dozen costs $6.\nIt is $21."), one)


def test_words_that_all_solutions_begin_with_do_not_make_them_one() -> None:
    one = mistake("Let's think step by step.\nNora has 5 + 12 = 17 pencils.", "17 pencils.")
    assert is_other_path(gold("Let's think step by step.\nFive dozen are 60.\nIt is $21."), one)


def test_only_correct_whole_samples_are_gold() -> None:
    samples = (
        sample(WRONG),
        sample(RIGHT, is_correct=True, answer="21"),
        sample(RIGHT + "\n", is_correct=True, answer="21"),
        sample("It may be 21, who knows. A: 21", is_correct=None, answer=None),
        sample("A: 21", is_correct=True, answer="21"),
        sample("As the reference solution says, it is $21.\nA: 21", is_correct=True, answer="21"),
        sample("It goes on and on. " * 40 + "\nA: 21", is_correct=True, answer="21"),
        sample("x" * 90 + "\nA: 21", is_correct=True, answer="21"),
    )
    golds = collect_golds(Group(PENCILS, samples=samples), "Answer: {answer}", max_chars=85)
    assert [one.text for one in golds.samples] == []
    golds = collect_golds(Group(PENCILS, samples=samples), "Answer: {answer}", max_chars=12000)
    assert [one.text for one in golds.samples] == [RIGHT.replace("A: 21", "Answer: 21"), "x" * 90 + "\nAnswer: 21"]
    assert golds.reference.text.endswith("$21.\nAnswer: 21")


def test_a_right_answer_come_by_otherwise_is_no_gold() -> None:
    lucky = "She has 5 + 12 = 17 pencils and 17 + 4 = 21 dollars.\nA: 21"
    good = "There are 5 * 12 = 60 pencils.\nShe sells 60 - 18 = 42 of them.\nThat brings 42 * 0.5 = $21.\nA: 21"
    samples = tuple(sample(text, is_correct=True, answer="21") for text in (lucky, good))
    golds = collect_golds(Group(PENCILS, samples=samples), "Answer: {answer}", max_chars=12000)
    assert [one.text for one in golds.samples] == [good.replace("A: 21", "Answer: 21")]
