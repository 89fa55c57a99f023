"""An evaluation to look at and listen to: one HTML page that holds its pictures and sounds, and loads nothing."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from html import escape

import numpy as np
import soundfile
from numpy.typing import NDArray

from realtime.evaluate.cells import damage
from realtime.evaluate.charts import quality_against_latency, spectrogram
from realtime.evaluate.clips import SAMPLE_RATE, Clip, read_clip
from realtime.evaluate.goals import count_text, place_text
from realtime.evaluate.judge import original_of, systems_of
from realtime.evaluate.output import Evaluation
from realtime.evaluate.robustness import HEADS, table_rows
from realtime.evaluate.table import Line, delay_text, latency_text, shown_interval, shown_value, used_figures

Audio = NDArray[np.float32]

_STYLE = """
:root { color-scheme: light dark; --ground: #fdfdfb; --ink: #1b1b1b; --line: #c9c9c2; --soft: #55554f; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #16171a; --ink: #ececec; --line: #3c3f45; --soft: #b0b4bc; }
}
body { background: var(--ground); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; margin: 0 auto;
  max-width: 84rem; padding: 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin-bottom: 1rem; }
th, td { border-bottom: 1px solid var(--line); padding: .2rem .8rem .2rem 0; text-align: right; vertical-align: top; }
th[scope=row], td.word { text-align: left; }
small, .notes { color: var(--soft); }
td small { display: block; }
tr.model { font-weight: 600; }
.sounds { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); }
figure { border: 1px solid var(--line); border-radius: .4rem; margin: 0; padding: .6rem; }
figcaption { font-weight: 600; }
audio, figure img { display: block; width: 100%; }
img { background: #fff; max-width: 100%; }
audio:focus-visible, .wide:focus-visible { outline: 3px solid #0072b2; outline-offset: 2px; }
"""
_SCRIPT = """
document.addEventListener("play", function (event) {
  document.querySelectorAll("audio").forEach(function (audio) { if (audio !== event.target) audio.pause(); });
}, true);
"""


def page(evaluation: Evaluation) -> str:
    """The page; it plays the first clip of each kind, in the first damage and interval."""
    chart = _data("image/png", chart_png(evaluation))
    told = [evaluation.command, *evaluation.notes]
    told += [f"{system.name}: {system.about}" for system in evaluation.systems]
    notes = "".join(f"<li>{escape(note)}</li>" for note in told)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>deshift: evaluation</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>Evaluation</h1>
<p class="notes">{len(evaluation.clips)} clips, at most {evaluation.plan.seconds:g} s of each. Large: the mean over
clips (of f0 error the median). Small: median, and the bootstrap interval that holds the mean with 95 %.</p>
<img src="{chart}" alt="Quality against latency; the figures stand in the tables below.">
<h2>By what the model was trained with</h2>
{_tables(evaluation.summaries, evaluation)}
<ul class="notes">{notes}</ul>
{_goals(evaluation)}{_robustness(evaluation)}<h2>Listen</h2>
<p class="notes">Peaks beyond full scale are clipped in these sounds, not in the figures.</p>
{"".join(_listen(evaluation))}
<h2>Every cell</h2>
{_tables(evaluation.cells, evaluation)}
</main>
<script>{_SCRIPT}</script>
</body>
</html>
"""


def chart_png(evaluation: Evaluation) -> bytes:
    """The headline picture."""
    return quality_against_latency(evaluation.summaries, evaluation.systems, list(evaluation.models))


def _goals(evaluation: Evaluation) -> str:
    """Each model's goals: in how many places each was reached, and where not, the worst first."""
    told = ""
    for model in evaluation.models:
        body = ""
        for goal in (goal for goal in evaluation.goals if goal.model == model):
            failures = "".join(f"<li>{escape(place_text(place))}</li>" for place in goal.failures)
            worst = escape(place_text(goal.worst)) if goal.worst else ""
            missed = f"<details><summary>where not</summary><ul>{failures}</ul></details>" if failures else ""
            body += f'<tr><th scope="row">{escape(goal.goal)}</th><td class="word">{escape(goal.figure)}</td>'
            body += f'<td class="word">{count_text(goal)}</td><td class="word">{worst}{missed}</td></tr>\n'
        told += _table(f"{model}: goals", ("goal", "figure", "reached in", "worst"), body)
    return f"<h2>Goals of a release</h2>\n{told}" if told else ""


def _robustness(evaluation: Evaluation) -> str:
    told = ""
    for model in evaluation.models:
        rows = table_rows([trial for trial in evaluation.trials if trial.model == model])
        body = ""
        for signal, *levels in rows:
            cells = "".join(f'<td class="word">{escape(level)}</td>' for level in levels)
            body += f'<tr><th scope="row">{escape(signal)}</th>{cells}</tr>\n'
        told += _table(f"{model}: worst over all shifts", HEADS, body)
    return f"<h2>Robustness</h2>\n{told}" if told else ""


def _table(label: str, heads: Sequence[str], body: str) -> str:
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    label = escape(label)
    return (
        f'<h3>{label}</h3>\n<div class="wide" tabindex="0" role="region" aria-label="{label}">\n'
        f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table></div>\n"
    )


def _tables(lines: Sequence[Line], evaluation: Evaluation) -> str:
    latency = {system.name: latency_text(system.latency_ms) for system in evaluation.systems}
    figures = used_figures(lines)
    heads = ("kind", "system", "latency, ms", "RTF", "delay, ms", *(figure.heading for figure in figures))
    tables = ""
    for first, second in dict.fromkeys(line.group[:2] for line in lines):
        body = ""
        for line in (line for line in lines if line.group[:2] == (first, second)):
            texts = (latency[line.system], f"{line.real_time_factor:.3f}", delay_text(line))
            cells = "".join(f"<td>{escape(text)}</td>" for text in texts)
            for figure in figures:
                found = line.statistics[figure.key]
                middle = "" if found is None else f"{found.median:.{figure.digits}f} {shown_interval(line, figure)}"
                cells += f"<td>{shown_value(line, figure)}<small>{middle}</small></td>"
            mark = ' class="model"' if line.system in evaluation.models else ""
            body += f'<tr{mark}><td class="word">{escape(line.group[2])}</td>'
            body += f'<th scope="row">{escape(line.system)}</th>{cells}</tr>\n'
        tables += _table(f"{first}: {second}", heads, body)
    return tables


def _listen(evaluation: Evaluation) -> Iterator[str]:
    plan, judged = evaluation.plan, {row.clip for row in evaluation.rows}
    name, interval = plan.damages[0], plan.intervals[0]
    first_of_kind = {clip.kind: clip for clip in reversed(evaluation.clips) if clip.name in judged}
    for clip in sorted(first_of_kind.values(), key=lambda clip: clip.name):
        semitones = interval.of(clip)
        sounds = "".join(_figure(title, clip, audio) for title, audio in _sounds(evaluation, clip, semitones, name))
        heading = escape(f"{clip.kind}: {clip.name}, {name} {semitones:+g} semitones")
        yield f'<section>\n<h3>{heading}</h3>\n<div class="sounds">\n{sounds}</div>\n</section>\n'


def _sounds(evaluation: Evaluation, clip: Clip, semitones: float, name: str) -> Iterator[tuple[str, Audio]]:
    original = original_of(read_clip(clip, evaluation.plan.seconds), semitones)
    yield "original", original
    shifted = damage(original, semitones, name)
    for system in systems_of(evaluation.plan.model_paths):
        restored = system.restore(shifted, semitones)
        if restored is not None:
            yield system.name, restored


def _figure(title: str, clip: Clip, audio: Audio) -> str:
    sound = io.BytesIO()
    soundfile.write(sound, np.clip(audio, -1, 1), SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    label = escape(f"{title}, {clip.name}")
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>\n"
        f'<audio controls preload="metadata" src="{_data("audio/flac", sound.getvalue())}" aria-label="{label}">'
        f'</audio>\n<img src="{_data("image/png", spectrogram(audio, SAMPLE_RATE))}" alt="Spectrogram of {label}">'
        "</figure>\n"
    )


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
