"""What nobody plans for: huge and hostile lines, damaged, copied, linked and foreign run folders, a clock that jumps.

Real files and real commands with the embedded teacher. Each case goes on with what is good or says one clear line.
"""

from __future__ import annotations

import ast
import gzip
import json
import os
import random
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT, files_of
from tests.test_bad_input import rollout, set_aside
from tests.test_cli import ENVIRONMENT, LEMMA, TIMEOUT_S, end, is_one_clear_line, lemma, start, write_config

GOOD = [rollout(f"Tom has {n} apples, finds 4 and sells 2. How many?", n) for n in range(3, 6)]
MEMORY = 1 << 30
"""What a process may map, where lines are 5 MB long; an idle one maps half of it."""


def lines(*rows: object) -> bytes:
    """Rows as JSON Lines; a text stands as it is."""
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows).encode()


def config_for(tmp_path: Path, raw: bytes, name: str = "data.jsonl") -> Path:
    path = tmp_path / name
    path.write_bytes(raw)
    return write_config(tmp_path, data=[{"dataset": "rollouts", "path": str(path)}])


def problems_of(tmp_path: Path) -> list[dict[str, object]]:
    parts = sorted((tmp_path / "run/problems").glob("part-*.jsonl"))
    return [json.loads(line) for part in parts for line in part.read_bytes().splitlines()]


# ── lines ──


def test_lines_of_5_megabytes_cost_only_themselves(tmp_path: Path) -> None:
    long = {
        "question": GOOD[0] | {"question": "word " * 1_000_000},
        "sample": GOOD[1] | {"question": "a sample", "samples": [{"text": "9" * 5_000_000}]},
        "bracket": GOOD[2] | {"question": "a bracket", "samples": [{"text": "(" * 5_000_000}]},
        "torn": '{"question": "' + "x" * 5_000_000,
    }
    config = config_for(tmp_path, lines(*GOOD, *long.values()))

    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    command = [*LEMMA, "run", str(config), "-o", str(tmp_path / "run"), "--quiet"]
    done = subprocess.run(
        command, capture_output=True, text=True, env=ENVIRONMENT, preexec_fn=bounded, check=False, timeout=TIMEOUT_S
    )
    assert done.returncode == 0, done.stderr
    assert set_aside(tmp_path) == [("data.jsonl", 7, "broken_json")]
    assert len(problems_of(tmp_path)) == 6
    exported = (tmp_path / "run/export/train.jsonl").read_bytes()
    assert len(exported) < 200_000, "none of it is long enough to be trained on"


def with_field(text: str) -> str:
    """A good row with one more field, written by hand."""
    row = rollout("Ann has 9 pens, finds 4 and sells 2. How many?", 9)
    return json.dumps(row)[:-1] + ", " + text + "}"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("\0\0\0", "broken_json"),
        ("[" * 100_000, "broken_json"),
        ('{"a":' * 100_000, "broken_json"),
        (with_field('"level": ' + "[" * 300 + "]" * 300), "broken_json"),
        (with_field('"id": ' + "9" * 5_000), "broken_json"),
        (with_field('"gt": 1e999'), "missing_field"),
        (with_field('"level": NaN'), "broken_json"),
        (with_field('"level": -Infinity'), "broken_json"),
        (with_field(r'"level": "\ud800"'), "broken_json"),
        (with_field('"id": {"a": 1}'), "missing_field"),
        (with_field('"samples": {"a": 1}'), "missing_field"),
        (with_field('"level": "a\0b"'), "broken_json"),
    ],
    ids=range(12),
)
def test_a_hostile_line_is_set_aside_with_its_reason(tmp_path: Path, row: str, reason: str) -> None:
    done = lemma("sample", config_for(tmp_path, lines(*GOOD, row)), "-o", tmp_path / "run")
    assert done.status == 0, done.stderr
    assert set_aside(tmp_path) == [("data.jsonl", 4, reason)]
    assert len(problems_of(tmp_path)) == 3


def test_large_but_whole_values_are_read_and_of_equal_keys_the_last_counts(tmp_path: Path) -> None:
    rows = [with_field('"level": ' + "9" * 30), with_field('"level": ' + "[" * 150 + "]" * 150 + ', "id": 1')]
    rows.append(with_field('"id": 2, "question": "What is left of 9 pens, 4 and 2?"'))
    assert lemma("run", config_for(tmp_path, lines(*rows)), "-o", tmp_path / "run").status == 0
    assert set_aside(tmp_path) == []
    assert problems_of(tmp_path)[2]["question"] == "What is left of 9 pens, 4 and 2?"


def test_a_byte_order_mark_carriage_returns_and_compression_change_nothing(tmp_path: Path) -> None:
    plain = lines(*GOOD)
    made = []
    for number, raw in enumerate((plain, b"\xef\xbb\xbf" + plain.replace(b"\n", b"\r\n"), gzip.compress(plain))):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert lemma("run", config_for(folder, raw), "-o", folder / "run").status == 0
        made.append({name: raw for name, raw in files_of(folder / "run").items() if name != "problems/summary.json"})
    assert made[0] == made[1] == made[2]


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        (gzip.compress(lines(*GOOD)) + b"garbage", 3),
        (gzip.compress(lines(*GOOD))[:-8] + b"12345678", 3),
        (gzip.compress(lines(*GOOD))[:7], 0),
    ],
    ids=["garbage behind", "wrong sum", "cut in its head"],
)
def test_damaged_compression_is_told_with_what_was_read_before(tmp_path: Path, raw: bytes, read: int) -> None:
    done = lemma("sample", config_for(tmp_path, raw, "data.jsonl.gz"), "-o", tmp_path / "run")
    if read:
        assert done.status == 0
        assert len(problems_of(tmp_path)) == read
        assert set_aside(tmp_path) == [("data.jsonl.gz", read + 1, "broken_json")]
        assert "set aside 1 broken_json" in done.stderr
    else:
        assert done.status == 1
        assert is_one_clear_line(done.stderr)
        assert "the compressed file is damaged" in done.stderr


def test_of_10000_problems_with_one_id_the_first_is_kept(tmp_path: Path) -> None:
    rows = (json.dumps(rollout(f"Tom has {n} apples. How many?", n % 50) | {"id": "same"}) for n in range(10_000))
    done = lemma("sample", config_for(tmp_path, lines(*rows)), "-o", tmp_path / "run")
    assert done.status == 0
    assert [one["question"] for one in problems_of(tmp_path)] == ["Tom has 0 apples. How many?"]
    assert {reason for _, _, reason in set_aside(tmp_path)} == {"duplicate_id"}
    assert "9999 duplicate_id" in done.stderr


STRANGE = [
    "..\\..\\x",
    "../../etc/x",
    "CON",
    "/abs",
    "C:\\x",
    "🙂",
    "\u202eabc",
    "a\nb",
    "x" * 300,
    "{answer}",
    "---\n[",
    "\0",
]


def test_strange_names_are_kept_verbatim_and_never_become_paths(tmp_path: Path) -> None:
    sample = GOOD[0]["samples"]
    assert isinstance(sample, list)
    rows = [
        rollout(f"Tom has {n} apples, finds 4 and sells 2. How many?", n)
        | {"id": name, "dataset": name, "samples": [one | {"model": name} for one in sample]}
        for n, name in enumerate(STRANGE, 3)
    ]
    config = config_for(tmp_path, lines(*rows))
    before = set(tmp_path.parent.iterdir()) | set(tmp_path.iterdir())
    assert lemma("run", config, "-o", tmp_path / "run").status == 0
    assert set(tmp_path.parent.iterdir()) | set(tmp_path.iterdir()) == before | {tmp_path / "run"}
    assert [one["dataset"] for one in problems_of(tmp_path)] == STRANGE
    assert not [path for path in (tmp_path / "run").rglob("*") if not path.name.isascii() or " " in path.name]
    assert lemma("status", tmp_path / "run").status == 0


# ── a run's folder: damaged ──


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run in ``run`` beside its configuration."""
    folder = tmp_path_factory.mktemp("whole")
    assert lemma("run", write_config(folder), "-o", folder / "run").status == 0
    return folder


@pytest.fixture
def copied(whole: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    shutil.copytree(whole, tmp_path / "copy")
    return tmp_path / "copy"


def flipped(raw: bytes) -> bytes:
    at = random.Random(len(raw)).randrange(len(raw))
    return raw[:at] + bytes([raw[at] ^ 4]) + raw[at + 1 :]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "zeros in the middle": lambda raw: raw[: len(raw) // 3] + bytes(len(raw) // 3) + raw[2 * len(raw) // 3 :],
    "half of it": lambda raw: raw[: len(raw) // 2],
    "a line less": lambda raw: b"".join(raw.splitlines(keepends=True)[:-1]),
    "one bit": flipped,
    "something else": lambda raw: b"{}\n",
    "far too deep": lambda raw: b"[" * 4_000,
}

QUICK = ("zeros in the middle", "half of it", "one bit")
KINDS = [pytest.param(name, id=name, marks=() if name in QUICK else pytest.mark.slow) for name in DAMAGE]


def goes_on_or_says_so(folder: Path, expected: dict[str, bytes], *options: str) -> str:
    """Works on a damaged run; where a file has to be removed, as the line says, removes it and works again."""
    run = folder / "run"
    done = lemma("run", folder / "config.yaml", "-o", run, *options)
    said = done.stderr
    if done.status:
        assert done.status == 1
        assert is_one_clear_line(said.splitlines()[-1]), said
        named = [word.rstrip(":;,") for word in said.split() if word.startswith(str(run))]
        assert " remove " in said
        assert named, said
        Path(named[-1]).unlink()
        done = lemma("run", folder / "config.yaml", "-o", run, *options)
    assert done.status == 0, done.stderr
    assert files_of(run) == expected
    return said


@pytest.mark.parametrize("damage", KINDS)
@pytest.mark.parametrize("name", ["problems/part-00000.jsonl", "problems/rollouts/part-00000.jsonl"])
def test_damaged_problems_are_never_read_as_whole(copied: Path, whole: Path, name: str, damage: str) -> None:
    path = copied / "run" / name
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    said = goes_on_or_says_so(copied, files_of(whole / "run"), "--rederive")
    assert str(path) in said, "damage is told, not read"


@pytest.mark.parametrize("damage", KINDS)
def test_a_damaged_part_is_told_before_anything_is_made_from_it(copied: Path, whole: Path, damage: str) -> None:
    path = copied / "run/smooth/part-00001.jsonl"
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    (copied / "run/export/export.manifest").unlink()  # so that there is something to make
    assert str(path) in goes_on_or_says_so(copied, files_of(whole / "run"))


def test_a_part_or_its_rejections_that_are_gone_are_made_anew(copied: Path, whole: Path) -> None:
    gone = ("problems/part-00001.jsonl", "analyze/part-00000.jsonl", "sample/rejected/part-00001.jsonl")
    for name in gone:
        (copied / "run" / name).unlink()
    assert lemma("run", copied / "config.yaml", "-o", copied / "run").status == 0
    assert files_of(copied / "run") == files_of(whole / "run")


@pytest.mark.parametrize("damage", [kind for kind in KINDS if kind.id != "one bit"])
@pytest.mark.parametrize("name", ["run.yaml", "problems/summary.json", "analyze/part-00000.manifest"])
def test_damaged_bookkeeping_is_made_anew(copied: Path, whole: Path, name: str, damage: str) -> None:
    path = copied / "run" / name
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    seen = lemma("status", copied / "run")
    assert seen.status == 0 or is_one_clear_line(seen.stderr)
    goes_on_or_says_so(copied, files_of(whole / "run"))


def test_one_flipped_bit_in_bookkeeping_leaves_no_trace_back(copied: Path) -> None:
    for name in ("run.yaml", "problems/summary.json", "analyze/part-00000.manifest"):
        path = copied / "run" / name
        raw = path.read_bytes()
        for seed in range(6):
            at = random.Random(seed).randrange(len(raw))
            path.write_bytes(raw[:at] + bytes([raw[at] ^ (1 << seed)]) + raw[at + 1 :])
            seen = lemma("status", copied / "run")
            assert seen.status == 0 or is_one_clear_line(seen.stderr), seen.stderr
        path.write_bytes(raw)


@pytest.mark.parametrize("damage", ["zeros in the middle", "half of it"])
def test_replies_that_cannot_be_read_are_told_and_asked_for_again(copied: Path, whole: Path, damage: str) -> None:
    path = copied / "run/analyze/replies/part-00000.jsonl"
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    done = lemma("run", copied / "config.yaml", "-o", copied / "run", "--rederive")
    assert done.status == 0
    assert files_of(copied / "run") == files_of(whole / "run")
    told = [line for line in done.stderr.splitlines() if "cannot be read" in line]
    assert len(told) == 1
    assert f" of the lines of replies cannot be read, cut short by a crash or damaged: {path} line " in told[0]
    seen = lemma("status", copied / "run")
    assert told[0] in " ".join(seen.stdout.split())
    assert json.loads(lemma("status", copied / "run", "--json").stdout)["warnings"] == told


def test_a_sound_run_has_no_warnings(whole: Path) -> None:
    assert json.loads(lemma("status", whole / "run", "--json").stdout)["warnings"] == []


@pytest.mark.parametrize(
    "name", ["problems/part-00000.jsonl", "analyze/part-00000.manifest", "analyze/replies/part-00000.jsonl", "run.yaml"]
)
def test_a_folder_in_a_files_place_is_told_in_one_line(copied: Path, name: str) -> None:
    (copied / "run" / name).unlink()
    (copied / "run" / name).mkdir()
    done = lemma("run", copied / "config.yaml", "-o", copied / "run", "--rederive", "--quiet")
    assert done.status == 1
    assert is_one_clear_line(done.stderr), done.stderr
    assert str(copied / "run" / name) in done.stderr


# ── a run's folder: of another version, of another kind ──


def test_parts_of_another_version_are_made_anew_from_the_replies(copied: Path, whole: Path) -> None:
    paid = {path: path.read_bytes() for path in copied.glob("run/*/replies/*")}
    for version, path in zip((1, 3, 99), sorted(copied.glob("run/*/part-00000.manifest")), strict=False):
        tree = json.loads(path.read_bytes())
        path.write_text(json.dumps(tree | {"version": version, "of_another_version": True}))
    assert lemma("run", copied / "config.yaml", "-o", copied / "run").status == 0
    assert files_of(copied / "run") == files_of(whole / "run")
    assert {path: path.read_bytes() for path in copied.glob("run/*/replies/*")} == paid


@pytest.mark.parametrize("change", [{"tomorrows_key": 1}, {"teacher": {"backend": "oracle"}}, {"seed": "many"}])
def test_a_configuration_of_another_version_is_told_and_replaced(
    copied: Path, whole: Path, change: dict[str, object]
) -> None:
    path = copied / "run/run.yaml"
    tree = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(tree | {"lemma": "9.9", "config": tree["config"] | change}))
    seen = lemma("status", copied / "run")
    assert seen.status == 0  # what is there is counted, as far as it is known
    assert "was written by lemma 9.9" in " ".join(seen.stdout.split())
    assert lemma("run", copied / "config.yaml", "-o", copied / "run").status == 0
    assert files_of(copied / "run") == files_of(whole / "run")
    assert lemma("status", copied / "run").status == 0


def test_a_damaged_target_is_told_by_status_and_made_anew_by_a_run(copied: Path, whole: Path) -> None:
    (copied / "run" / "inject" / "target.json").write_text("{}")
    seen = lemma("status", copied / "run")
    assert seen.status == 1
    assert is_one_clear_line(seen.stderr)
    assert "target.json: is damaged" in seen.stderr
    goes_on_or_says_so(copied, files_of(whole / "run"), "--rederive")


def test_a_run_whose_run_file_was_removed_gets_a_new_one(copied: Path, whole: Path) -> None:
    (copied / "run/run.yaml").unlink()
    seen = lemma("status", copied / "run")
    assert seen.status == 1
    assert is_one_clear_line(seen.stderr)
    assert "run.yaml is missing; any stage command with your configuration makes it anew" in seen.stderr
    assert lemma("run", copied / "config.yaml", "-o", copied / "run").status == 0
    assert files_of(copied / "run") == files_of(whole / "run")


def test_status_of_no_run_says_which_folder_to_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for run in (tmp_path, tmp_path / "not-there", tmp_path / "file"):
        seen = lemma("status", run)
        assert seen.status == 1
        assert is_one_clear_line(seen.stderr)
        assert f"{run}: there is no run; name the folder that `lemma run … -o` was given" in seen.stderr


def test_a_configuration_nested_without_end_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("data: " + "[" * 4_000)
    done = lemma("run", path, "-o", tmp_path / "run")
    assert done.status == 1
    assert is_one_clear_line(done.stderr)
    assert "nested too deeply" in done.stderr


# ── a run's folder: links, copies, read-only ──


@pytest.mark.parametrize(
    "name", [".lock", "run.yaml", "analyze", "analyze/replies/part-00000.jsonl", "sample/.part-00000.jsonl.tmp"]
)
def test_links_out_of_the_folder_are_told_and_never_written_through(copied: Path, tmp_path: Path, name: str) -> None:
    link, outside = copied / "run" / name, tmp_path / "outside"
    if link.exists():
        link.rename(outside)
    else:
        outside.write_text("precious")
    link.symlink_to(outside)
    before = [path.read_bytes() for path in sorted([outside, *outside.rglob("*")]) if path.is_file()]
    done = lemma("run", copied / "config.yaml", "-o", copied / "run", "--rederive")
    assert done.status == 1
    assert is_one_clear_line(done.stderr), done.stderr
    assert f"{link}: is a link to {outside}, out of the run's folder" in done.stderr
    assert [path.read_bytes() for path in sorted([outside, *outside.rglob("*")]) if path.is_file()] == before


def test_a_run_may_itself_be_reached_through_a_link(copied: Path, tmp_path: Path, whole: Path) -> None:
    (tmp_path / "link").symlink_to(copied / "run")
    assert lemma("run", copied / "config.yaml", "-o", tmp_path / "link").status == 0
    assert files_of(tmp_path / "link") == files_of(whole / "run")


def test_a_copy_made_while_running_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    config = write_config(tmp_path, data=[{"dataset": "rollouts", "path": "example:gsm8k", "limit": 12}])
    process = start("run", config, "-o", tmp_path / "run")
    copies: list[Path] = []
    try:
        while process.poll() is None and len(copies) < 12:
            if (tmp_path / "run/problems").exists():
                copies.append(tmp_path / f"copy{len(copies)}")
                # as `cp -a` does where files vanish under it: what is there is taken
                subprocess.run(["cp", "-a", tmp_path / "run", copies[-1]], capture_output=True, check=False)
    finally:
        done = end(process)
    assert done.status == 0, done.stderr
    assert copies
    for copy in copies[:: len(copies) // 2 + 1]:
        again = lemma("run", config, "-o", copy, "--quiet")
        if again.status:
            assert is_one_clear_line(again.stderr), again.stderr
            assert "run again" in again.stderr or "same command again" in again.stderr
        else:
            assert files_of(copy) == files_of(tmp_path / "run")


@pytest.fixture
def read_only(copied: Path) -> Iterator[Path]:
    """The copy's run folder, mounted so that nobody can write to it."""
    run = str(copied / "run")
    mount = shutil.which("mount")
    if mount is None or subprocess.run([mount, "--bind", run, run], capture_output=True, check=False).returncode:
        pytest.skip("a folder cannot be mounted here")
    try:
        if subprocess.run([mount, "-o", "remount,bind,ro", run], capture_output=True, check=False).returncode:
            pytest.skip("a folder cannot be mounted read-only here")
        yield copied
    finally:
        subprocess.run(["umount", run], check=True)


def test_a_read_only_run_can_be_looked_at_and_says_why_it_cannot_go_on(read_only: Path) -> None:
    assert lemma("status", read_only / "run").status == 0
    done = lemma("run", read_only / "config.yaml", "-o", read_only / "run")
    assert done.status == 1
    assert is_one_clear_line(done.stderr), done.stderr
    assert "cannot be written: Read-only file system" in done.stderr


# ── the clock ──

CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *ts) {
    static int (*real)(clockid_t, struct timespec *);
    static long calls;
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, ts);
    if (id == CLOCK_REALTIME) ts->tv_sec += (++calls % 2 ? 1 : -1) * 86400L * 400;
    return result;
}
"""
"""A wall clock that jumps by more than two years whenever it is looked at; durations go by another clock."""


def test_a_clock_that_jumps_and_files_from_the_future_change_nothing(copied: Path, whole: Path, tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler, so that the clock cannot be made to jump")
    (tmp_path / "clock.c").write_text(CLOCK)
    made = [compiler, "-shared", "-fPIC", "-o", str(tmp_path / "clock.so"), str(tmp_path / "clock.c"), "-ldl"]
    subprocess.run(made, check=True, capture_output=True)
    for number, path in enumerate(sorted((copied / "run").rglob("*"))):
        os.utime(path, (4e9 - number, 4e9) if number % 2 else (0, 1))
    shutil.rmtree(copied / "run/smooth")
    environment = ENVIRONMENT | {"LD_PRELOAD": str(tmp_path / "clock.so")}
    for run in (copied / "run", tmp_path / "anew"):
        command = [*LEMMA, "run", str(copied / "config.yaml"), "-o", str(run)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=TIMEOUT_S)
        assert done.returncode == 0, done.stderr
        assert files_of(run) == files_of(whole / "run")


def test_the_wall_clock_only_stamps_replies_and_reads_when_to_ask_again() -> None:
    clocks = {"time.time", "time.time_ns", "datetime.now", "datetime.datetime.now"}
    users = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "lemma").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and (ast.unparse(node) in clocks or "mtime" in node.attr)
    }
    tell_how_it_goes = {f"lemma/{name}.py" for name in ("failures", "report/money", "status/pace", "status/tree")}
    tell_since_when = {"lemma/leases.py", "lemma/heartbeat/chains.py", "lemma/heartbeat/presence.py"}
    stamp = {"lemma/batch/asking.py", "lemma/batch/lines.py"}
    # one clock tells both ends of an age, the storage's; a file's time is only compared with what it was
    of_storage = {f"lemma/storage/{name}.py" for name in ("copy", "fetching", "folder", "sending")}
    assert users <= {"lemma/teacher/openai.py", *stamp, *tell_how_it_goes, *tell_since_when, *of_storage}, (
        "whoever decides by the wall clock is wrong when it jumps"
    )
