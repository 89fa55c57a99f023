#!/bin/sh
# The bundled model as an LV2 plugin on a track of Ardour, rendered without a screen or a sound card, from a fresh clone.
# Linux only; needs Python 3.11 or newer. It installs what is missing where it may, and says what to install where not.
set -eu
cd "$(dirname "$0")/.."
. scripts/environment.sh

RESULT=runs/lv2-demo

install_for_demo() {
    wanted=$(fingerprint pyproject.toml scripts/constraints.txt)
    is_installed tests "$wanted" && return
    is_installed lv2-demo "$wanted" && return
    say "installing deshift and what its exporter needs into $VENV"
    pip_install torch==2.13.0 # first and pinned, as in test.sh
    pip_install --editable '.[train]'
    printf '%s\n' "$wanted" >"$VENV/deshift-lv2-demo"
}

[ "$(uname -s)" = Linux ] || fail "this demonstration runs on Linux alone: see docs/daw.md for other systems"
make_environment
need_library libatomic.so.1 libatomic1 pedalboard
need_program cc gcc 'the LV2 plugin'
need_header lv2/core/lv2.h lv2-dev 'the LV2 plugin'
need_header samplerate.h libsamplerate0-dev 'the LV2 plugin'
has_ardour || want ardour Ardour
install_wanted
install_for_demo
VENV=$VENV sh scripts/onnxruntime_package.sh
say 'examples/voice_shifted_up.flac, a voice raised by an octave, through the model on a track of Ardour'
"$VENV/bin/python" -m examples.daw.render examples/voice_shifted_up.flac "$RESULT"
