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

# install_system_packages PACKAGES WHAT: with apt-get where we may, else say what to type
install_system_packages() {
    if ! command -v apt-get >/dev/null; then
        fail "missing: $2. Install it with the package manager of this system (Debian calls it $1), then run this again"
    elif [ "$(id -u)" = 0 ]; then
        as_root=
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        as_root='sudo -n'
    else
        fail "missing: $2. It needs root: run 'sudo apt-get update && sudo apt-get install -y $1', then run this again"
    fi
    say "installing $1, for want of $2"
    $as_root apt-get update -qq
    # shellcheck disable=SC2086 # a word for each package
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $1 >/dev/null
}

# What the need_ functions found missing; one call of apt-get for all of them saves a minute.
WANTED_PACKAGES=
WANTED_FOR=

# want PACKAGE WHAT: remember it for install_wanted
want() {
    WANTED_PACKAGES="${WANTED_PACKAGES:+$WANTED_PACKAGES }$1"
    WANTED_FOR="${WANTED_FOR:+$WANTED_FOR, }$2"
}

install_wanted() { [ -z "$WANTED_PACKAGES" ] || install_system_packages "$WANTED_PACKAGES" "$WANTED_FOR"; }

# need_library FILE PACKAGE WHO: a shared library that a Python package loads and does not bring
need_library() {
    "$VENV/bin/python" -c 'import ctypes, sys; ctypes.CDLL(sys.argv[1])' "$1" 2>/dev/null || want "$2" "$1 (for $3)"
}

# need_program NAME PACKAGE WHO: a program that something starts and does not bring
need_program() {
    command -v "$1" >/dev/null || want "$2" "the program $1 (for $3)"
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
    want "$version-dev" "Python.h of $version (for $1)"
}

# need_window_libraries: what PyQt6 loads of the system, to draw into memory and to open a window under X11
need_window_libraries() {
    while read -r file package; do
        need_library "$file" "$package" PyQt6
    done <<END
libEGL.so.1 libegl1
libGL.so.1 libgl1
libdbus-1.so.3 libdbus-1-3
libfontconfig.so.1 libfontconfig1
libglib-2.0.so.0 libglib2.0-0
libxkbcommon.so.0 libxkbcommon0
libxkbcommon-x11.so.0 libxkbcommon-x11-0
libxcb-cursor.so.0 libxcb-cursor0
libxcb-icccm.so.4 libxcb-icccm4
libxcb-image.so.0 libxcb-image0
libxcb-keysyms.so.1 libxcb-keysyms1
libxcb-render-util.so.0 libxcb-render-util0
libxcb-shape.so.0 libxcb-shape0
END
}

make_environment() {
    [ -x "$VENV/bin/python" ] && is_new_enough "$VENV/bin/python" && "$VENV/bin/python" -m pip --version >/dev/null 2>&1 && return
    find_python
    if ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
        version=$("$PYTHON" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
        install_system_packages "$version-venv" "the venv module of $version"
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
