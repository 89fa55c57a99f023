#!/bin/sh
# Make an ONNX Runtime C package (include/, lib/), as Microsoft's release archives have it, out of what is at hand: the
# library of the Python wheel in $VENV, and the headers of Debian's libonnxruntime-dev, which apt fetches and checks.
# Argument: the folder to make, seen from the repository's own; .cache/onnxruntime unless said otherwise.
# Exit code 3: it cannot be had on this machine.
# Nothing of the system's apt is changed: the package lists are private ones, thrown away afterwards.
set -eu
cd "$(dirname "$0")/.."
. scripts/environment.sh

CANNOT_BE_HAD=3
RELEASE=trixie # the first Debian with the headers; their API is served by every later library
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
target=${1:-.cache/onnxruntime}

cannot() {
    printf '%s: no ONNX Runtime C package: %s. Take a release archive of github.com/microsoft/onnxruntime instead\n' \
        "$0" "$*" >&2
    exit $CANNOT_BE_HAD
}

# find_library: the wheel's library; not imported, since that takes a second and starts threads
find_library() {
    "$VENV/bin/python" - <<'PYTHON'
import importlib.util, pathlib, re, sys
spec = importlib.util.find_spec("onnxruntime")
folder = pathlib.Path(spec.origin).parent / "capi" if spec and spec.origin else pathlib.Path("/nowhere")
named = [path for path in folder.glob("libonnxruntime.so.*") if re.search(r"\.so\.\d+\.\d+\.\d+$", path.name)]
sys.exit(print(named[0]) if named else 1)
PYTHON
}

# find_mirror: where the machine's own apt takes Debian from, in either form of sources
find_mirror() {
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep '/debian/*$' | head -n 1
}

# fetch_headers FOLDER: the .deb, unpacked into FOLDER/unpacked; apt's options are files, whose names may hold spaces
fetch_headers() {
    folder=$1
    mkdir -p "$folder/lists/partial" "$folder/archives/partial" "$folder/unpacked"
    printf 'deb [signed-by=%s] %s %s main\n' "$KEYRING" "$mirror" "$RELEASE" >"$folder/sources.list"
    set -- -qq -o APT::Sandbox::User= -o APT::Update::Error-Mode=any -o Dir::Etc::sourceparts=-
    set -- "$@" -o "Dir::Etc::sourcelist=$folder/sources.list"
    set -- "$@" -o "Dir::State::lists=$folder/lists" -o "Dir::Cache=$folder"
    apt-get "$@" update >&2 || return
    (cd "$folder/archives" && apt-get "$@" download libonnxruntime-dev >&2) || return
    dpkg-deb --extract "$folder"/archives/libonnxruntime-dev_*.deb "$folder/unpacked"
}

# put_in_place FROM TO: a rename, which two runs at once survive: the folder of either is whole
put_in_place() {
    rm -rf "$2"
    "$VENV/bin/python" -c 'import os, sys; os.rename(sys.argv[1], sys.argv[2])' "$1" "$2" 2>/dev/null && return
    [ "$(cat "$2/made-from" 2>/dev/null)" = "$wanted" ] || fail "$2 cannot be made: is its folder writable?"
}

[ -x "$VENV/bin/python" ] || cannot "there is no Python environment $VENV (make it, or name it as VENV)"
library=$(find_library) || cannot "the environment $VENV holds no onnxruntime with a shared library"
version=${library##*.so.}
wanted="$version of $library"
[ "$(cat "$target/made-from" 2>/dev/null)" = "$wanted" ] && exit 0
if [ -e "$target" ] && ! [ -e "$target/made-from" ]; then
    fail "$target holds something that this script did not make: name another folder"
fi
for program in apt-get dpkg-deb; do
    command -v $program >/dev/null || cannot "its headers come from Debian, and this system has no $program"
done
[ -r $KEYRING ] || cannot "Debian's keys ($KEYRING) are missing, so its headers could not be checked"
mirror=$(find_mirror) && [ -n "$mirror" ] || cannot "the apt sources of this machine name no Debian mirror"

say "making an ONNX Runtime $version C package in $target"
mkdir -p "$(dirname "$target")"
made=$(mktemp -d "$(cd "$(dirname "$target")" && pwd)/onnxruntime-making.XXXXXX")
trap 'rm -rf "$made"' EXIT
trap 'exit 1' HUP INT TERM
fetch_headers "$made" || cannot "libonnxruntime-dev of Debian $RELEASE could not be fetched from $mirror"
headers=$made/unpacked/usr/include/onnxruntime
[ -f "$headers/onnxruntime_c_api.h" ] || cannot "libonnxruntime-dev of Debian $RELEASE holds no onnxruntime_c_api.h"

package=$made/package
mkdir -p "$package/lib"
cp -R "$headers" "$package/include"
cp "$library" "$package/lib/"
ln -s "libonnxruntime.so.$version" "$package/lib/libonnxruntime.so.${version%%.*}"
ln -s "libonnxruntime.so.$version" "$package/lib/libonnxruntime.so"
printf '%s\n' "$wanted" >"$package/made-from"
chmod 755 "$package"
put_in_place "$package" "$target"
