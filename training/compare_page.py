"""A comparison to listen to: one HTML page without scripts from elsewhere, beside the sounds and pictures it shows."""

from html import escape
from pathlib import Path
from urllib.parse import quote

from training.compare_files import sound_path
from training.compare_report import HEADINGS, Comparison, notes, rows
from training.recordings import write_whole

_STYLE = """
:root { color-scheme: light dark; --ground: #fdfdfb; --ink: #1b1b1b; --line: #c9c9c2; --soft: #5a5a55; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #16171a; --ink: #ececec; --line: #3c3f45; --soft: #a9adb5; }
}
body { background: var(--ground); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; margin: 0 auto;
  max-width: 76rem; padding: 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .8rem .3rem 0; text-align: right; }
th:first-child, td:last-child, th:last-child { text-align: left; }
tbody th { font-weight: 600; }
.notes { color: var(--soft); }
.clip { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); }
figure { border: 1px solid var(--line); border-radius: .4rem; margin: 0; padding: .6rem; }
figcaption { font-weight: 600; margin-bottom: .4rem; }
audio, img { display: block; max-width: 100%; width: 100%; }
img { background: #fff; margin-top: .5rem; }
audio:focus-visible { outline: 3px solid #0072b2; outline-offset: 2px; }
"""
# One sound at a time: starting one pauses the others.
_SCRIPT = """
document.addEventListener("play", function (event) {
  document.querySelectorAll("audio").forEach(function (audio) { if (audio !== event.target) audio.pause(); });
}, true);
"""


def page(comparison: Comparison, folder: Path) -> str:
    """The page; of the sounds, those that are there."""
    clips = "".join(_clip(comparison, folder, place, name) for place, name in enumerate(comparison.clip_names, start=1))
    told = "".join(f"<p>{escape(note)}</p>" for note in notes(comparison))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>deshift: recipes compared</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>Recipes compared</h1>
<div class="wide" tabindex="0" role="region" aria-label="Table of figures">{_table(comparison)}</div>
<div class="notes">{told}</div>
<h2>Curves</h2>
<img src="curves.png" alt="Training loss, validation MR-STFT and SI-SDR by step; the last values stand in the table.">
<h2>Listen</h2>
<p class="notes">Sounds are clipped at full scale. The table is also there as <a href="comparison.csv">CSV</a> and
<a href="comparison.md">Markdown</a>.</p>
{clips}</main>
<script>{_SCRIPT}</script>
</body>
</html>
"""


def _table(comparison: Comparison) -> str:
    head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in HEADINGS)
    body = ""
    for name, *texts in rows(comparison):
        cells = "".join(f"<td>{escape(text)}</td>" for text in texts)
        body += f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>\n'
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>"


def _clip(comparison: Comparison, folder: Path, place: int, name: str) -> str:
    recipes = [outcome.recipe.name for outcome in comparison.outcomes if outcome.state == "finished"]
    titles = [title for title in ("input", *recipes, "original") if sound_path(folder, place, title).exists()]
    sounds = "".join(_sound(folder, place, title, name) for title in titles)
    return f'<section>\n<h3>{place}. {escape(name)}</h3>\n<div class="clip">\n{sounds}</div>\n</section>\n'


def _sound(folder: Path, place: int, title: str, name: str) -> str:
    sound = sound_path(folder, place, title)
    audio, picture = (quote(path.relative_to(folder).as_posix()) for path in (sound, sound.with_suffix(".png")))
    label = escape(f"{title}, clip {place}: {name}")
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>\n"
        f'<audio controls preload="metadata" src="{audio}" aria-label="{label}"></audio>\n'
        f'<img loading="lazy" src="{picture}" alt="Spectrogram of {label}"></figure>\n'
    )


def write_page(comparison: Comparison, folder: Path) -> None:
    """``index.html``; a recording's name that is no Unicode is shown with question marks."""
    write_whole(folder / "index.html", page(comparison, folder).encode("utf-8", "replace"))
