# Sourced by the other scripts: makes .venv from a bare Python and installs lemma into it, once for each pyproject.toml.
# Usage: . scripts/setup.sh [EXTRA]      (EXTRA: such as `dev`)
#
# PYTHON=/path/to/python3.12 chooses the interpreter.

lemma_setup() {
    local extra="$1" python="${PYTHON:-}" candidate stamp
    if [ -z "$python" ]; then
        for candidate in python3.11 python3.12 python3.13 python3; do
            if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
                python="$candidate"
                break
            fi
        done
    fi
    if [ -z "$python" ]; then
        echo "lemma needs Python 3.11 or newer; set PYTHON=/path/to/it" >&2
        return 1
    fi
    if [ ! -x .venv/bin/python ]; then
        "$python" -m venv .venv || {
            echo "cannot make .venv with $python (on Debian: apt-get install python3-venv)" >&2
            return 1
        }
    fi
    stamp=".venv/installed${extra:+-$extra}-$(cksum <pyproject.toml | cut -d' ' -f1)"
    if [ ! -e "$stamp" ]; then
        echo "installing lemma${extra:+ with [$extra]} into .venv (once) …" >&2
        .venv/bin/python -m pip install --quiet --disable-pip-version-check -e ".${extra:+[$extra]}" || return 1
        touch "$stamp"
    fi
}

cd "$(dirname "${BASH_SOURCE[0]}")/.." && lemma_setup "${1:-}"
