from __future__ import annotations

from lemma.records import Sample
from lemma.stages.base import GivenSample, Group
from lemma.stages.sample import SampleStage
from tests.stages.builders import PENCILS, PROMPTS, RIGHT, WRONG, config, reason, run


def given(*texts: str) -> Group:
    return Group(PENCILS, given=tuple(GivenSample(text, "gpt") for text in texts))


def scored(text: str) -> Sample:
    stage = SampleStage(config(), PROMPTS)
    (unit,) = stage.units(given(text))
    record = run(stage, unit)
    assert isinstance(record, Sample)
    return record


def test_given_solutions_are_scored_and_never_asked_for() -> None:
    stage = SampleStage(config(), PROMPTS)
    units = list(stage.units(given(WRONG, RIGHT)))
    assert [stage.draws(unit) for unit in units] == [0, 0]
    assert (scored(WRONG).answer, scored(WRONG).is_correct) == ("24", False)
    assert (scored(RIGHT).answer, scored(RIGHT).is_correct) == ("21", True)
    assert scored(RIGHT).model == "gpt"
    assert scored(RIGHT).text == RIGHT


def test_a_solution_without_an_answer_is_neither_right_nor_wrong() -> None:
    record = scored("I do not know where to begin.")
    assert (record.answer, record.is_correct) == (None, None)


def test_a_students_draws_differ_in_id_and_key_only() -> None:
    stage = SampleStage(config(sample={"num_samples": 3}), PROMPTS)
    units = list(stage.units(Group(PENCILS)))
    requests = [stage.request(unit, 0, 0, False) for unit in units]
    assert len({unit.id for unit in units}) == len({request.key for request in requests}) == 3
    assert len({str(request.messages) for request in requests}) == 1
    assert requests[0].messages[0]["content"] == (
        f"### Instruction:\n{PENCILS.question}\n\n### Response: Let's think step by step."
    )
    assert requests[0].sampling == {"api": "completions", "temperature": 0.7, "max_tokens": 1024, "extra_body": {}}


def test_twin_solutions_are_two_records() -> None:
    stage = SampleStage(config(), PROMPTS)
    records = [run(stage, unit) for unit in stage.units(given(RIGHT, RIGHT))]
    assert len({record.model_dump()["id"] for record in records}) == 2


def test_without_a_student_nothing_is_asked() -> None:
    assert list(SampleStage(config(student=None), PROMPTS).units(Group(PENCILS))) == []


def test_a_solution_that_was_cut_or_is_empty_is_left_out() -> None:
    stage = SampleStage(config(), PROMPTS)
    unit = next(iter(stage.units(Group(PENCILS))))
    assert reason(stage, unit, WRONG, finish_reason="length") == "cut_short"
    assert reason(stage, unit, WRONG, finish_reason="refused") == "refused"
    assert reason(stage, unit, " \n") == "empty_reply"
    assert not stage.raises_cap


def test_the_fingerprint_follows_what_decides_the_output() -> None:
    def of(**more: object) -> str:
        return SampleStage(config(**more), PROMPTS).fingerprint

    assert of() == of(teacher={"backend": "openai", "model": "another"})
    assert of() == of(student={"model": "student", "api": "completions", "base_url": "http://x", "timeout_s": 5})
    assert of() != of(student={"model": "student", "api": "chat"})
    assert of() != of(sample={"temperature": 0.1})


def test_a_solution_that_goes_round_in_circles_is_set_aside_whether_asked_for_or_given() -> None:
    circling = WRONG + "\nThe son of the mother of" + " the mother of" * 60
    stage = SampleStage(config(), PROMPTS)
    (unit,) = stage.units(given(circling))
    assert reason(stage, unit) == "loop"
    assert reason(stage, next(iter(stage.units(Group(PENCILS)))), circling) == "loop"
