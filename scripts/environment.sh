# Shared by demo.sh and test.sh: finds Python, makes the environment folder, installs what is asked for. Sourced, POSIX sh.
# VENV names the environment folder (default .venv), PYTHON the interpreter it is made with.

VENV=${VENV:-.venv}
export PIP_DISABLE_PIP_VERSION_CHECK=1

say() { printf '\n== %s\n' "$*"; }

fail() {
    printf '%s: %s\n' "$0" "$*" >&2
    exit 1
}

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if is_new_enough "$candidate"; then
            PYTHON=$candidate
            return
        fi
    done
    fail "no Python 3.11 or newer found (tried ${PYTHON:-python3 and python3.11 to python3.14}): install one, or name it as PYTHON=/path/to/python3"
}

# install_system_package PACKAGE WHY: with apt-get where we may, else say what to type
install_system_package() {
    if ! command -v apt-get >/dev/null; then
        fail "$2 is missing: install it with the package manager of this system (Debian calls it $1), then run this again"
    elif [ "$(id -u)" = 0 ]; then
        as_root=
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        as_root='sudo -n'
    else
        fail "$2 is missing and needs root: run 'sudo apt-get update && sudo apt-get install -y $1', then run this again"
    fi
    say "installing the system package $1: $2 is missing"
    $as_root apt-get update -qq
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null
}

# need_library FILE PACKAGE WHO: a shared library that a Python package loads and does not bring
need_library() {
    "$VENV/bin/python" -c 'import ctypes, sys; ctypes.CDLL(sys.argv[1])' "$1" 2>/dev/null || install_system_package "$2" "$1 (for $3)"
}

# need_program NAME PACKAGE WHO: a program that something starts and does not bring
need_program() {
    command -v "$1" >/dev/null || install_system_package "$2" "the program $1 (for $3)"
}

# need_compiler WHO: what builds a Python package that comes as C or C++ sources alone
need_compiler() {
    need_program cc gcc "$1"
    need_program c++ g++ "$1"
    "$VENV/bin/python" - <<'END' && return
import pathlib, sys, sysconfig
sys.exit(not pathlib.Path(sysconfig.get_paths()["include"], "Python.h").is_file())
END
    version=$("$VENV/bin/python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
    install_system_package "$version-dev" "Python.h of $version (for $1)"
}

make_environment() {
    [ -x "$VENV/bin/python" ] && is_new_enough "$VENV/bin/python" && "$VENV/bin/python" -m pip --version >/dev/null 2>&1 && return
    find_python
    if ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
        version=$("$PYTHON" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
        install_system_package "$version-venv" "the venv module of $version"
    fi
    if [ -n "$(ls -A "$VENV" 2>/dev/null)" ] && ! [ -e "$VENV/pyvenv.cfg" ]; then
        fail "$VENV holds something else than a Python environment: name a new folder as VENV"
    fi
    say "making the environment $VENV with $("$PYTHON" --version)"
    "$PYTHON" -m venv --clear "$VENV"
}

# fingerprint FILE…: one line that changes with the environment's Python, the place of the sources, or any of the files
fingerprint() {
    { "$VENV/bin/python" --version && pwd && cat "$@"; } | sha256sum
}

is_installed() { [ "$(cat "$VENV/deshift-$1" 2>/dev/null)" = "$2" ]; }

pip_install() { "$VENV/bin/python" -m pip install --quiet --constraint scripts/constraints.txt "$@"; }
