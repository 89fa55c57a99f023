#!/bin/sh
# Make the Python environment that `deshift export … --neutone` works in: sh scripts/neutone_environment.sh [FOLDER]
# The Neutone SDK wants an older numpy than deshift, and torchaudio, of which PyPI has no build without CUDA: it is
# installed alone, and its compiled half, which the SDK does not call, is taken out. About 1 GB; half a minute.
# Exit code 3: a package could not be had. Running it again with nothing changed takes no time.
set -eu
cd "$(dirname "$0")/.."

TORCH=torch==2.13.0 # as scripts/test.sh: the weights must mean the same on both sides
ALONE='neutone-sdk==1.5.2 torchaudio==2.11.0'
BESIDE='numpy==2.2.6 click==8.5.1 jsonschema==4.26.0 requests==2.34.2 safetensors==0.8.0 soundfile==0.14.0 tqdm==4.67.1'

VENV=${1:-.cache/neutone}
. scripts/environment.sh
folder=$VENV

probe() { "$1/bin/python" -c 'import neutone_sdk, safetensors.torch, soundfile, torch, torchaudio' 2>/dev/null; }

cannot_be_had() {
    printf '%s: the Neutone environment cannot be made here, because pip could not install %s (%s): %s\n' \
        "$0" "$1" "$(tail -n 1 "$VENV.log")" 'give pip a package index and run this again' >&2
    rm -rf "$VENV"
    exit 3
}

# install WHAT PIP-ARGUMENTS…
install() {
    what=$1
    shift
    "$VENV/bin/python" -m pip install --quiet "$@" >"$VENV.log" 2>&1 || cannot_be_had "$what"
}

wanted="$TORCH $BESIDE $ALONE"
if [ "$(cat "$folder/deshift-neutone" 2>/dev/null)" = "$wanted" ] && probe "$folder"; then
    printf '%s is ready\n' "$folder"
    exit 0
fi
if [ -n "$(ls -A "$folder" 2>/dev/null)" ] && ! [ -e "$folder/pyvenv.cfg" ]; then
    fail "$folder holds something else than a Python environment: name a new folder"
fi
mkdir -p "$(dirname "$folder")"
VENV=$folder.part
rm -rf "$VENV"
trap 'rm -rf "$VENV" "$VENV.log"' EXIT
make_environment
say "installing the Neutone SDK into $folder"
install "$TORCH" "$TORCH"
# shellcheck disable=SC2086 # a word for each package
install "$BESIDE" $BESIDE
# shellcheck disable=SC2086
install "$ALONE" --no-deps $ALONE
"$VENV/bin/python" -c 'import torchaudio' 2>/dev/null || "$VENV/bin/python" - <<'END_PYTHON'
import pathlib, shutil, sysconfig
shutil.rmtree(pathlib.Path(sysconfig.get_paths()["purelib"], "torchaudio", "lib"))
END_PYTHON
probe "$VENV" || cannot_be_had 'what the SDK imports'
printf '%s\n' "$wanted" >"$VENV/deshift-neutone"
rm -rf "$folder"
mv "$VENV" "$folder"
printf '%s is ready\n' "$folder"
