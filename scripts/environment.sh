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

# What the wish_ functions found missing: some checks need it, and are skipped where it cannot be had. A line each.
WISHES=
WISHED_PACKAGES=

# wish PACKAGE WHAT WHO: remember it for install_wished
wish() {
    WISHES="${WISHES:+$WISHES
}$1|$2|$3"
    WISHED_PACKAGES="${WISHED_PACKAGES:+$WISHED_PACKAGES }$1"
}

# wish_program NAME PACKAGE WHO: as need_program
wish_program() {
    command -v "$1" >/dev/null || wish "$2" "the program $1" "$3"
}

# wish_header FILE PACKAGE WHO: as need_header
wish_header() {
    has_header "$1" || wish "$2" "the header $1" "$3"
}

# install_wished: all at once where that works, else one by one; what is still missing is said, and is no failure
install_wished() {
    [ -z "$WISHES" ] && return
    (install_system_packages "$WISHED_PACKAGES" 'what some checks need') 2>/dev/null && return
    printf '%s\n' "$WISHES" | while IFS='|' read -r package what who; do
        (install_system_packages "$package" "$what") </dev/null 2>/dev/null && continue
        printf '%s cannot be installed here, so these are skipped: %s (Debian calls it %s)\n' "$what" "$who" "$package"
    done
}

has_header() { printf '#include <%s>\n' "$1" | cc -E -x c - >/dev/null 2>&1; }

# need_header FILE PACKAGE WHO: a C header that WHO includes
need_header() {
    has_header "$1" || want "$2" "the header $1 (for $3)"
}

# has_ardour: any version of it, with the programs that need no screen
has_ardour() {
    for version in 9 8 7; do
        command -v "ardour$version-lua" >/dev/null && command -v "ardour$version-export" >/dev/null && return
    done
    return 1
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

# wish_lv2_hosts: what makes the LV2 plugin, and the programs of other people that run it
wish_lv2_hosts() {
    wish_header lv2/core/lv2.h lv2-dev 'the LV2 plugin'
    wish_header samplerate.h libsamplerate0-dev 'the LV2 plugin'
    wish_program lv2_validate lv2-dev 'the LV2 plugin under the validators'
    wish_program sord_validate sordi 'the LV2 plugin under the validators'
    wish_program lv2apply lilv-utils 'the LV2 plugin under the tools of lilv'
    wish_program jalv jalv 'the LV2 plugin in jalv'
    has_ardour || wish ardour Ardour 'the LV2 plugin in Ardour'
}

# make_onnxruntime_package: the C package for what is compiled against ONNX Runtime; without it those checks are skipped
make_onnxruntime_package() {
    VENV=$VENV sh scripts/onnxruntime_package.sh && return
    [ $? = 3 ] || return 1
    say 'without the ONNX Runtime C package these are skipped: the C host, the LV2 plugin'
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
