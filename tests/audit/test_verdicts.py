from __future__ import annotations

import json
from pathlib import Path

import pytest

from lemma.audit.figures import Counts
from lemma.audit.report import report
from lemma.audit.tally import Audit, read_audit
from lemma.audit.verdicts import CLAIMS, Judged, VerdictFile, shown_of, verdict_path
from lemma.errors import InputError, RunError
from lemma.records import Trajectory
from tests.audit.builders import STAGE, write_part, write_run
from tests.exports.builders import many

ROWS = list(many(20))


def judge(run: Path, name: str, rows: list[Trajectory], *words: str) -> None:
    """Says the same about each row: one word a claim."""
    with VerdictFile(run, name) as verdicts:
        for row in rows:
            for claim, word in zip(CLAIMS, words, strict=False):
                verdicts.say(row, claim, word)


def audit_of(run: Path) -> Audit:
    audit = read_audit(run, STAGE)
    assert audit is not None
    return audit


@pytest.mark.parametrize(
    "name", ["", "../x", "a/b", ".", "..", "-x", "a.b", "a\n", "ä", "x" * 41, "a\x00b", "C:x", "~"]
)
def test_a_name_never_forms_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="a name is 1 to 40 letters"):
        verdict_path(tmp_path, name)


def test_names_that_may_be_are_files_of_the_audit_folder(tmp_path: Path) -> None:
    for name in ("anna", "A-1", "x" * 40, "0_a"):
        assert verdict_path(tmp_path, name) == tmp_path / "audit" / f"{name}.jsonl"


def test_the_last_verdict_about_a_claim_counts_and_no_line_is_altered(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", ROWS)
    judge(run, "anna", ROWS[:1], "yes", "yes")
    before = (run / "audit/anna.jsonl").read_bytes()
    judge(run, "anna", ROWS[:1], "no")
    after = (run / "audit/anna.jsonl").read_bytes()
    assert after.startswith(before)
    assert len(after.splitlines()) == 3
    claims = audit_of(run).figures.claims
    assert (claims["answer_is_wrong"].yes, claims["answer_is_wrong"].no, claims["type_is_right"].yes) == (0, 1, 1)


def test_a_half_written_last_line_is_passed_over_told_and_swallows_nothing(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", ROWS)
    judge(run, "anna", ROWS[:2], "yes")
    path = run / "audit/anna.jsonl"
    whole = path.read_bytes()
    for cut in range(1, len(whole.splitlines()[1])):
        path.write_bytes(whole[: -cut - 1])
        judge(run, "anna", ROWS[2:3], "no")
        audit = audit_of(run)
        assert audit.unreadable == {"anna": [2]}
        assert (audit.figures.claims["answer_is_wrong"].yes, audit.figures.claims["answer_is_wrong"].no) == (1, 1)
        assert "Passed over in audit/anna.jsonl: line 2" in report(audit)


def test_a_last_line_that_lacks_its_line_break_only_counts(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", ROWS)
    judge(run, "anna", ROWS[:1], "yes")
    path = run / "audit/anna.jsonl"
    path.write_bytes(path.read_bytes().removesuffix(b"\n"))
    judge(run, "anna", ROWS[1:2], "yes")
    assert audit_of(run).figures.claims["answer_is_wrong"].yes == 2
    assert audit_of(run).unreadable == {}


@pytest.mark.parametrize(
    "line",
    [
        b"[]",
        b"null",
        b"\xff\xfe",
        b"{" * 5000,
        b'{"id":"t-1","shown":"x","claim":"type_is_right","said":"maybe"}',
        b'{"id":"t-1","shown":"x","claim":"other","said":"yes"}',
        b'{"id":1,"shown":"x","claim":"type_is_right","said":"yes"}',
    ],
)
def test_a_line_that_is_no_verdict_is_passed_over(line: bytes) -> None:
    judged = Judged()
    judged.read(line + b"\n")
    assert (judged.said, judged.unreadable) == ({}, [1])


def test_two_processes_never_judge_under_one_name(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", ROWS)
    second = VerdictFile(run, "anna")
    with VerdictFile(run, "anna"), VerdictFile(run, "bob"), pytest.raises(RunError, match="judges under this name"):
        second.__enter__()
    with VerdictFile(run, "anna"):
        pass


def test_verdicts_about_rows_that_have_changed_or_gone_are_left_out_and_told(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", ROWS)
    judge(run, "anna", ROWS[:3], "yes", "no")
    changed = ROWS[0].model_copy(
        update={"reflection": "\nHm. ", "text": ROWS[0].prefix + "\nHm. " + ROWS[0].continuation}
    )
    assert shown_of(changed) != shown_of(ROWS[0])
    write_part(run, 0, [changed, *ROWS[2:]])
    audit = audit_of(run)
    assert (audit.figures.rows, audit.figures.outdated) == (1, 4)
    assert "Left out: 4 verdicts about rows that the run no longer has" in report(audit)


def test_the_report_tells_errors_agreement_and_what_was_found_wrong(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", ROWS)
    judge(run, "anna", ROWS[:10], "yes", "yes", "yes", "yes", "yes")
    judge(run, "anna", ROWS[:2], "yes", "no")
    judge(run, "bob", ROWS[:4], "yes", "no", "yes", "unsure", "yes")
    with VerdictFile(run, "bob") as verdicts:
        verdicts.say(ROWS[0], "note", "the \x1b[31mtype\x1b[0m is\nodd")
    audit = audit_of(run)
    assert audit.rows_by == {"anna": 10, "bob": 4}
    figures = audit.figures
    assert (figures.rows, figures.annotators) == (10, 2)
    # about two rows both say no; about two they differ
    assert figures.claims["type_is_right"] == Counts(yes=6, no=2, unsure=0, disputed=2)
    assert figures.claims["reflection_is_true"] == Counts(yes=6, no=0, unsure=4, disputed=0)
    assert figures.whole == Counts(yes=6, no=2, unsure=0, disputed=2)
    assert figures.alone["type_is_right"] == (0.2, 1.0)
    assert (figures.agreement["type_is_right"].rows, figures.agreement["type_is_right"].share) == (4, 0.5)
    text = report(audit)
    assert text.splitlines()[0] == "10 rows judged: anna 10, bob 4"
    assert "25.0 %" in text
    assert f"{ROWS[2].id}  disputed: type\n" in text + "\n"
    assert f"{ROWS[0].id}  wrong: type; bob: the �[31mtype�[0m is odd" in text
    assert "\x1b" not in text


def test_nobody_having_judged_is_no_audit(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", ROWS)
    assert read_audit(run, STAGE) is None
    with VerdictFile(run, "anna"):
        pass
    assert read_audit(run, STAGE) is None


def test_a_verdict_is_one_line_that_can_be_read_alone(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", ROWS)
    judge(run, "anna", ROWS[:1], "yes")
    line = json.loads((run / "audit/anna.jsonl").read_bytes())
    assert line == {"id": ROWS[0].id, "shown": shown_of(ROWS[0]), "claim": "answer_is_wrong", "said": "yes"}
