"""One recording through the bundled model on a track of Ardour, without a screen: what `make lv2-demo` shows.

Called as ``python -m examples.daw.render RECORDING FOLDER``; FOLDER is made anew.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import soundfile

import deshift
from examples.daw import ardour
from examples.daw.compare import compare
from export.graph import ExportError
from export.lv2.bundle import BundleFacts, write_bundle
from realtime.model import Model

RENDER_LIMIT_S = 30
RUNS = ("with the start of Ardour", "with the start of Ardour, more than once, since its exporter crashed")


def main(recording: Path, folder: Path) -> None:
    """Bundle, session, rendering, figures; each said in a line.

    Raises: SystemExit with one line where something is missing.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model = deshift.load("voice_octave")
    try:
        started = time.monotonic()
        (folder / "lv2").mkdir()
        bundle = write_bundle(model.path, folder / "lv2" / f"{model.path.stem}.lv2")
        print(f"bundle      {bundle.path}, {bundle.size_bytes / 1e6:.0f} MB, in {time.monotonic() - started:.1f} s")
        _render(recording, folder, bundle, model)
    except (ExportError, ardour.ArdourError) as error:
        raise SystemExit(f"lv2-demo: {error}") from error


def _render(recording: Path, folder: Path, bundle: BundleFacts, model: Model) -> None:
    samples, rate = soundfile.read(recording, dtype="float32", always_2d=True)
    channels = samples.shape[1]
    wav, session, result = folder / "recording.wav", folder / "session", folder / "rendered_by_ardour.wav"
    soundfile.write(wav, samples, rate, subtype="FLOAT")  # Ardour's floats, so that nothing is rounded on the way
    places = ardour.Surroundings(bundle.path.parent, folder / "home")
    uri = bundle.mono_uri if channels == 1 else bundle.stereo_uri
    (track,) = ardour.make_session(session, [(uri, channels)], places, rate)
    ardour.place(session, [wav])
    latency_ms = 1000 * track.plugin_latency / rate
    print(f"session     {session}/{session.name}.ardour")
    print(f"plugin      {uri}")
    print(f"latency     {track.plugin_latency} samples = {latency_ms:.1f} ms, as Ardour reports it; made up for below")
    limit_s = RENDER_LIMIT_S + 10 * len(samples) / rate
    started = time.monotonic()
    runs = ardour.render(session, result, places, limit_s)
    print(f"rendered    {len(samples) / rate:.2f} s of sound in {time.monotonic() - started:.1f} s, {RUNS[runs > 1]}")
    heard, _ = soundfile.read(result, dtype="float32", always_2d=True)
    if rate == model.facts.sample_rate:
        found = compare(heard, [samples], model)
        print(f"difference  at most {found.largest_difference:.1e} from deshift process, sample for sample")
    print(f"listen to   {result}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
