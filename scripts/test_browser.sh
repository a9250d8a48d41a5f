#!/usr/bin/env bash
# The report's page in a real browser: installs Chromium (Debian's, where none is there; needs root or sudo) and what
# drives it, then runs tests/report/test_browser.py. Arguments go to pytest. Not part of scripts/test.sh.
#
# Usage: bash scripts/test_browser.sh [PYTEST ARGUMENT]...      (such as: -k axe)
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit ;; esac
if ! { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null; then
    echo "installing Debian's chromium …" >&2
    as_root=""
    [ "$(id -u)" = 0 ] || as_root=sudo
    $as_root apt-get update -qq
    $as_root apt-get install -y -qq --no-install-recommends chromium >/dev/null
fi
. "$(dirname "$0")/setup.sh" dev,browser
.venv/bin/pytest -m "slow or not slow" tests/report/test_browser.py "$@"
