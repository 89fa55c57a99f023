#!/bin/sh
# Set up a development environment and run every check. Needs Python 3.11 or newer.
# Checks for which a package cannot be had are skipped; the summaries of pytest name each of them and say what is missing.
# Arguments go to pytest, which then runs once, in a row: sh scripts/test.sh tests/test_ring.py -x
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
    pip_install --editable '.[train,evaluate,gui,dev,tensorrt]'
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

# What listens to the clock also hears what other programs do to the machine: what fails is tried again, alone, after a
# pause, four times at most.
in_real_time() {
    "$VENV/bin/python" -m pytest -rs -m real_time && return
    for attempt in second third fourth fifth; do
        printf '\nThe tests that failed get a %s try:\n' "$attempt"
        sleep "${PAUSE:-20}"
        "$VENV/bin/python" -m pytest -rs -m real_time --last-failed --last-failed-no-failures none && return
    done
    return 1
}

make_environment
if [ "$(uname -s)" = Linux ]; then
    need_library libatomic.so.1 libatomic1 pedalboard
    need_library libportaudio.so.2 libportaudio2 sounddevice
    need_program jackd jackd2 'the tests on a virtual sound card'
    need_compiler 'building pesq and pyworld'
    need_window_libraries
    need_program Xvfb xvfb 'the test in a real window'
    need_program xdotool xdotool 'the test in a real window'
    install_wanted
    wish_program cmake cmake 'the C host'
    wish_lv2_hosts
    install_wished
fi
install_for_tests
[ "$(uname -s)" != Linux ] || make_onnxruntime_package
check 'lint' "$VENV/bin/ruff" check .
check 'format' "$VENV/bin/ruff" format --check .
check 'import contracts' "$VENV/bin/lint-imports"
check 'types' "$VENV/bin/mypy"
if [ $# -gt 0 ]; then
    check 'tests' "$VENV/bin/python" -m pytest -rs "$@"
else
    # What listens to the clock or owns a sound server runs alone, so that no other test makes it late.
    check 'tests side by side' "$VENV/bin/python" -m pytest -rs -m 'not real_time' -n 2 --dist loadfile
    check 'tests in real time' in_real_time
fi
printf '\nAll checks passed in %d s.\n' $(($(date +%s) - started))
