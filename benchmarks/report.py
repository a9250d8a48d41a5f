"""Time `lemma report` on a run of 100,000 trajectories: seconds, peak memory, size, and Chromium's first paint.

    python benchmarks/report.py [--trajectories 100000] [--samples 300] [--chromium]

The bundled example is run with the embedded teacher and written again and again as further parts, each copy with ids
of its own; replies get times and tokens, so that the costs have something to show. `--chromium` opens the page in a
headless one (what `scripts/test_browser.sh` installs) and prints when it first painted, three times.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import orjson

STAGES = ("problems", "sample", "analyze", "inject", "correct", "smooth")
CONFIG = "data: [{dataset: rollouts, path: 'example:gsm8k'}]\nteacher: {backend: rules}\ndecontaminate: []\n"
_ID = re.compile(rb'(?<=")([a-z])-([0-9a-f]{4})(?=[0-9a-f]{16}")')


def lemma(*arguments: str) -> None:
    """A command of lemma in a process of its own."""
    subprocess.run([sys.executable, "-c", "from lemma.cli import main; main()", *arguments], check=True)


def renamed(raw: bytes, copy: int) -> bytes:
    """The same lines with other ids: four hex digits of each are turned, alike wherever the id stands."""
    return _ID.sub(lambda found: b"%b-%04x" % (found[1], int(found[2], 16) ^ copy), raw)


def timed_replies(raw: bytes, copy: int) -> bytes:
    """Replies as an endpoint's: with tokens, and ten a second."""
    lines = []
    for number, line in enumerate(raw.splitlines()):
        tree: dict[str, Any] = orjson.loads(line)
        tree |= {"created_s": 1_700_000_000.0 + 40 * copy + number / 10, "usage": [900, 0, len(tree["text"]) // 4]}
        tree["key"] = f"{int(tree['key'], 16) ^ copy:032x}"
        lines.append(orjson.dumps(tree))
    return b"\n".join(lines) + b"\n" if lines else b""


def multiply(run: Path, copies: int) -> None:
    """Adds copies of the first part as further parts. None is fresh then, so all are shown as they lie there."""
    first = {stage: (run / stage / "part-00000.manifest").read_bytes() for stage in STAGES}
    for copy in range(copies):
        name = f"part-{copy:05d}"
        for stage in STAGES:
            folder = run / stage
            for path in sorted(folder.rglob("part-00000.jsonl")):
                raw = renamed(path.read_bytes(), copy)
                is_reply = path.parent.name == "replies"
                path.with_name(f"{name}.jsonl").write_bytes(timed_replies(raw, copy) if is_reply else raw)
            manifest = json.loads(first[stage])
            manifest |= {"part": copy, "fingerprint": ""}
            for outcomes in manifest["usage"].values():
                for usage in outcomes.values():
                    usage |= {"input_tokens": 900 * usage["replies"], "output_tokens": 60 * usage["replies"]}
            manifest["files"] = {file.replace("part-00000", name): "" for file in manifest["files"]}
            (folder / f"{name}.manifest").write_text(json.dumps(manifest))
    path = run / "problems" / "summary.json"
    summary = json.loads(path.read_bytes())
    summary["parts"] = copies
    summary["problems"] *= copies
    summary["datasets"] = {name: count * copies for name, count in summary["datasets"].items()}
    path.write_text(json.dumps(summary))


def first_paint(page: Path) -> float:
    """Milliseconds from navigation to the first paint, and the page's script has run."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        tab.goto(page.as_uri())
        tab.locator("#detail code").first.wait_for()
        paints = tab.evaluate("performance.getEntriesByType('paint').map(one => one.startTime)")
        browser.close()
    return float(min(paints))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trajectories", type=int, default=100_000)
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--chromium", action="store_true")
    parser.add_argument("--keep", type=Path, help="leave the run in this folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = options.keep or Path(folder) / "run"
        config = Path(folder) / "config.yaml"
        config.write_text(CONFIG)
        lemma("run", str(config), "-o", str(run), "--quiet")
        shutil.rmtree(run / "export")
        manifest = json.loads((run / "smooth" / "part-00000.manifest").read_bytes())
        copies = -(-options.trajectories // manifest["kept"])
        multiply(run, copies)
        lines = copies * manifest["kept"]
        size = sum(path.stat().st_size for path in run.rglob("*") if path.is_file())
        print(f"{lines:,} trajectories in {copies} parts, {size / 1e6:,.0f} MB on disk")
        page = run / "report.html"
        command = [sys.executable, "-c", "from lemma.cli import main; main()", "report", str(run)]
        start = time.perf_counter()
        with subprocess.Popen([*command, "--samples", str(options.samples)]) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(process.returncode)
        seconds = time.perf_counter() - start
        used = usage.ru_utime + usage.ru_stime
        print(f"{seconds:.1f} s ({used:.1f} s of a processor), {usage.ru_maxrss / 1024:.0f} MB at most", end=", ")
        print(f"{page.stat().st_size / 1e6:.1f} MB of HTML")
        if options.chromium:
            print("first paint after", ", ".join(f"{first_paint(page):.0f} ms" for _ in range(3)))


if __name__ == "__main__":
    main()
