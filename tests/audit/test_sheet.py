from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from lemma.audit.sheet import Taken, escaped, read_sheet, unescaped, write_sheet
from lemma.audit.verdicts import CLAIMS, VerdictFile
from lemma.errors import InputError
from lemma.records import Trajectory
from tests.audit.builders import STAGE, hostile_row, write_part, write_run
from tests.audit.test_screen import TERMINAL_ATTACKS
from tests.exports.builders import HOSTILE, many

ROWS = list(many(3))
FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", '=HYPERLINK("http://x","y")', "'=1", "a\n=1"]


def export(run: Path, path: Path, rows: list[Trajectory] | None = None) -> list[dict[str, str]]:
    with VerdictFile(run, "anna") as verdicts:
        write_sheet(path, ROWS if rows is None else rows, {"calculation_error": "=a definition"}, verdicts)
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))


def take(run: Path, path: Path, name: str = "anna") -> Taken:
    with VerdictFile(run, name) as verdicts:
        return read_sheet(path, run, STAGE, verdicts)


def save(path: Path, rows: list[dict[str, str]], *, delimiter: str = ",", encoding: str = "utf-8") -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))


def lines_of(run: Path, name: str = "anna") -> list[bytes]:
    path = run / "audit" / f"{name}.jsonl"
    return path.read_bytes().splitlines() if path.exists() else []


@pytest.mark.parametrize(("delimiter", "encoding"), [(",", "utf-8"), (";", "utf-8-sig"), ("\t", "utf-8")])
def test_what_is_filled_in_comes_back(tmp_path: Path, delimiter: str, encoding: str) -> None:
    run = write_run(tmp_path / "run", ROWS)
    rows = export(run, tmp_path / "sheet.csv")
    assert [row["id"] for row in rows] == [row.id for row in ROWS]
    assert all(row[claim] == "" for row in rows for claim in CLAIMS)
    for row in rows[:-1]:
        row.update(dict.fromkeys(CLAIMS, " Yes ") | {"type_is_right": "NO", "note": "-1 is odd"})
    rows[0]["reflection_is_true"] = ""
    save(tmp_path / "filled.csv", rows, delimiter=delimiter, encoding=encoding)
    assert take(run, tmp_path / "filled.csv") == Taken(verdicts=24, rows=5, empty=6)
    with VerdictFile(run, "anna") as verdicts:
        assert verdicts.said(ROWS[0], "type_is_right") == "no"
        assert verdicts.said(ROWS[0], "answer_is_wrong") == "yes"
        assert verdicts.said(ROWS[0], "note") == "-1 is odd"
        assert verdicts.said(ROWS[-1], "type_is_right") is None


def test_an_import_again_appends_nothing_and_an_export_again_is_filled_in(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", ROWS)
    rows = export(run, tmp_path / "sheet.csv")
    for row in rows:
        row.update(dict.fromkeys(CLAIMS, "yes") | {"note": "=odd"})
    save(tmp_path / "filled.csv", rows)
    take(run, tmp_path / "filled.csv")
    before = lines_of(run)
    assert take(run, tmp_path / "filled.csv") == Taken(0, 6, 0)
    again = export(run, tmp_path / "again.csv")
    assert [row["note"] for row in again] == ["'=odd"] * 6
    assert all(row[claim] == "yes" for row in again for claim in CLAIMS)
    assert take(run, tmp_path / "again.csv") == Taken(0, 6, 0)
    assert lines_of(run) == before


def test_no_cell_is_a_formula_and_each_row_is_one_line(tmp_path: Path) -> None:
    hostile = [hostile_row(number, text) for number, text in enumerate([*FORMULAS, *HOSTILE, *TERMINAL_ATTACKS])]
    run = write_run(tmp_path / "run", hostile)
    rows = export(run, tmp_path / "sheet.csv", hostile)
    assert [cell for row in rows for cell in row.values() if cell.lstrip()[:1] in tuple("=+-@\t\r＝＋－＠")] == []
    assert len((tmp_path / "sheet.csv").read_bytes().split(b"\n")) == len(hostile) + 2
    for row in rows:
        row["answer_is_wrong"] = "yes"
    save(tmp_path / "filled.csv", rows)
    assert take(run, tmp_path / "filled.csv").verdicts == len(hostile)


def test_what_comes_back_as_ids_can_be_read_as_no_number(tmp_path: Path) -> None:
    rows = export(write_run(tmp_path / "run", ROWS), tmp_path / "sheet.csv")
    assert all(re.fullmatch(r"t-[0-9a-f]{20}", row["id"]) for row in rows)
    assert all(re.fullmatch(r"v-[0-9a-f]{16}", row["shown"]) for row in rows)


@pytest.mark.parametrize("text", [*FORMULAS, "plain", "", "'quoted'", "''=1"])
def test_escaping_is_undone_exactly(text: str) -> None:
    assert unescaped(escaped(text)) == " ⏎ ".join(
        line.rstrip() for line in text.replace("\r", "�").strip().splitlines()
    )


Damage = Callable[[list[dict[str, str]]], object]


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda rows: rows[1].update(type_is_right="ja"), "line 3, column type_is_right: 'ja' is none of yes, no, uns"),
        (lambda rows: rows[1].update(type_is_right="=1\x1b[2J"), "line 3, column type_is_right: '=1�[2j' is none of"),
        (lambda rows: rows[0].update(id="t-none"), "line 2, column id: the run has no row 't-none'"),
        (lambda rows: rows[5].update(rows[4]), "line 7, column id: the row stands in line 6"),
        (lambda rows: rows[0].update(shown=""), "line 2, column shown: the row has changed since the export"),
        (lambda rows: [row.update(answer_is_wrong="j") for row in rows], "and 1 more; nothing was taken over"),
    ],
)  # fmt: skip
def test_a_bad_cell_is_told_with_line_and_column_and_nothing_is_taken(
    tmp_path: Path, damage: Damage, told: str
) -> None:
    run = write_run(tmp_path / "run", ROWS)
    rows = export(run, tmp_path / "sheet.csv")
    for row in rows:
        row["correction_is_right"] = "yes"
    damage(rows)
    save(tmp_path / "filled.csv", rows)
    with pytest.raises(InputError) as error:
        take(run, tmp_path / "filled.csv")
    assert told in str(error.value)
    assert "\n" not in str(error.value)
    assert lines_of(run) == []


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "line 1: there is no column id, shown, answer_is_wrong"),
        (
            b"id,shown,answer_is_wrong,type_is_right,step_is_first_wrong,reflection_is_true\n",
            "line 1: there is no column correction_is_right",
        ),
        (b"id,shown\xff", "is no UTF-8 at byte 8; save the sheet as CSV UTF-8"),
        (b"PK\x03\x04 a workbook", "line 1: there is no column"),
        (f'{",".join(["id", "shown", *CLAIMS])}\n"'.encode() + b"x" * 200_000, "line 2: no CSV"),
    ],
)
def test_a_file_that_is_no_sheet_is_told_in_one_line(tmp_path: Path, raw: bytes, told: str) -> None:
    run = write_run(tmp_path / "run", ROWS)
    (tmp_path / "bad.csv").write_bytes(raw)
    with pytest.raises(InputError) as error:
        take(run, tmp_path / "bad.csv")
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_and_one_that_is_there_already_are_told(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", ROWS)
    with pytest.raises(InputError, match="cannot be read"):
        take(run, tmp_path / "none.csv")
    export(run, tmp_path / "sheet.csv")
    with pytest.raises(InputError, match="is there already and may hold verdicts"):
        export(run, tmp_path / "sheet.csv")


def test_verdicts_about_a_row_that_changed_after_the_export_are_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", ROWS)
    rows = export(run, tmp_path / "sheet.csv")
    rows[0]["answer_is_wrong"] = "yes"
    save(tmp_path / "filled.csv", rows)
    text = ROWS[0].prefix + "\nHm. " + ROWS[0].continuation
    write_part(run, 0, [ROWS[0].model_copy(update={"reflection": "\nHm. ", "text": text}), *ROWS[1:]])
    with pytest.raises(InputError, match="line 2, column shown"):
        take(run, tmp_path / "filled.csv")
