#!/bin/sh
# Set up deshift and undo the pitch shift of the example recording with the bundled model. Needs Python 3.11 or newer.
set -eu
cd "$(dirname "$0")/.."
. scripts/environment.sh

RESULT=runs/demo/voice_deshifted.flac

install_program() {
    is_installed tests "$(fingerprint pyproject.toml scripts/constraints.txt)" && return # an editable install follows the sources
    wanted=$(fingerprint pyproject.toml scripts/constraints.txt deshift.py $(find realtime training export gui -name '*.py' -o -name '*.onnx' | sort))
    is_installed program "$wanted" && return
    say "installing deshift into $VENV (about 300 MB to download the first time)"
    rm -rf "$VENV/deshift-tests" build/lib # setuptools would install what an older build left there
    pip_install .
    rm -rf build/lib
    printf '%s\n' "$wanted" >"$VENV/deshift-program"
}

make_environment
install_program
mkdir -p "$(dirname "$RESULT")"
say 'the bundled models'
"$VENV/bin/deshift" models
say 'undoing the pitch shift of examples/voice_shifted_up.flac, a voice raised by an octave'
"$VENV/bin/deshift" process examples/voice_shifted_up.flac --semitones 12 --output "$RESULT" --overwrite
cat <<LISTEN

Listen to the three:
  examples/voice_shifted_up.flac    what went in
  $RESULT   what came out
  examples/voice_original.flac      the recording before it was shifted
Your own recordings: $VENV/bin/deshift process FILE… --semitones N, where N is the shift to undo: 12 for an octave too high
LISTEN
