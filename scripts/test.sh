#!/bin/sh
# Set up a development environment and run every check; arguments go to pytest. Needs Python 3.11 or newer.
set -eu
cd "$(dirname "$0")/.."
. scripts/environment.sh

started=$(date +%s)

install_for_tests() {
    wanted=$(fingerprint pyproject.toml scripts/constraints.txt)
    is_installed tests "$wanted" && return
    say "installing torch and the test tools into $VENV"
    rm -f "$VENV/deshift-program"
    # First and pinned: pip then takes a CPU build where one is at hand; an open range would fetch the newest CUDA build.
    pip_install torch==2.13.0
    pip_install --editable '.[train,evaluate,dev]'
    printf '%s\n' "$wanted" >"$VENV/deshift-tests"
}

# check NAME COMMAND…: the first one that fails ends the run and is named
check() {
    name=$1
    shift
    say "$name"
    step_started=$(date +%s)
    if "$@"; then
        printf '   %s: passed in %d s\n' "$name" $(($(date +%s) - step_started))
    else
        printf '\nFAILED: %s, after %d s in all. The command was: %s\n' "$name" $(($(date +%s) - started)) "$*" >&2
        exit 1
    fi
}

make_environment
if [ "$(uname -s)" = Linux ]; then
    need_library libatomic.so.1 libatomic1 pedalboard
    need_library libportaudio.so.2 libportaudio2 sounddevice
    need_program jackd jackd2 'the tests on a virtual sound card'
    need_compiler 'building pesq and pyworld'
fi
install_for_tests
check 'lint' "$VENV/bin/ruff" check .
check 'format' "$VENV/bin/ruff" format --check .
check 'import contracts' "$VENV/bin/lint-imports"
check 'types' "$VENV/bin/mypy"
check 'tests' "$VENV/bin/python" -m pytest "$@"
printf '\nAll checks passed in %d s.\n' $(($(date +%s) - started))
