"""The two Turtle files of an LV2 bundle, from what the plugin file says of itself."""

from __future__ import annotations

import re
from dataclasses import dataclass

from realtime.contract import Control, Facts

BINARY = "deshift.so"
LARGEST_LATENCY_SAMPLES = 1 << 20
LAYOUTS = {"mono": (("in", "In", "out", "Out"),),
           "stereo": (("in_left", "In left", "out_left", "Out left"),
                      ("in_right", "In right", "out_right", "Out right"))}  # fmt: skip
UNITS = {  # of a plugin file: of LV2 (lv2plug.in/ns/extensions/units)
    "%": "pc", "bpm": "bpm", "cent": "cent", "cents": "cent", "dB": "db", "Hz": "hz", "kHz": "khz", "ms": "ms",
    "s": "s", "semitone": "semitone12TET", "semitones": "semitone12TET", "st": "semitone12TET",
}  # fmt: skip
PREFIXES = """\
@prefix bufsz: <http://lv2plug.in/ns/ext/buf-size#> .
@prefix doap: <http://usefulinc.com/ns/doap#> .
@prefix log: <http://lv2plug.in/ns/ext/log#> .
@prefix lv2: <http://lv2plug.in/ns/lv2core#> .
@prefix opts: <http://lv2plug.in/ns/ext/options#> .
@prefix pprops: <http://lv2plug.in/ns/ext/port-props#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix units: <http://lv2plug.in/ns/extensions/units#> .
@prefix urid: <http://lv2plug.in/ns/ext/urid#> .
"""


@dataclass(frozen=True)
class _Port:
    kind: str  # "Audio" or "Control"
    direction: str  # "Input" or "Output"
    symbol: str
    name: str
    lines: tuple[str, ...] = ()


def uri_base(facts: Facts) -> str:
    """The part that the plugins of a model share: the same for the same weights, another for others."""
    slug = re.sub(r"[^a-z0-9]+", "-", facts.name.lower()).strip("-") or "model"
    return f"urn:deshift:{slug[:60]}-{facts.weights_sha256[:12]}"


def manifest(facts: Facts) -> str:
    """manifest.ttl: which plugins there are, and where the rest stands."""
    base = uri_base(facts)
    entries = [
        f"<{base}:{layout}>\n    a lv2:Plugin ;\n    lv2:binary <{BINARY}> ;\n    rdfs:seeAlso <plugin.ttl> .\n"
        for layout in LAYOUTS
    ]
    prefixes = [line for line in PREFIXES.splitlines() if " lv2:" in line or " rdfs:" in line]
    return "\n".join(["\n".join(prefixes), "", *entries])


def plugin(facts: Facts) -> str:
    """plugin.ttl: name, licence, features and ports of the mono and the stereo plugin.

    The ports lie in the order that export/lv2/src/plugin.c counts them: audio in, audio out, the fixed ones, then the
    model's controls in the order of the metadata.
    """
    return "\n".join([PREFIXES, *(_plugin(facts, layout) for layout in LAYOUTS)])


def _plugin(facts: Facts, layout: str) -> str:
    inputs = [_Port("Audio", "Input", names[0], names[1]) for names in LAYOUTS[layout]]
    outputs = [_Port("Audio", "Output", names[2], names[3]) for names in LAYOUTS[layout]]
    ports = [*inputs, *outputs, *_fixed_ports(), *map(_control_port, facts.controls)]
    comment = f"{facts.description}\n\nWeights: {facts.licence}.".strip()
    return f"""\
<{uri_base(facts)}:{layout}>
    a lv2:Plugin , lv2:PitchPlugin ;
    doap:name {_text(f"{facts.name} ({layout})")} ;
    doap:license <https://spdx.org/licenses/GPL-3.0-or-later> ;
    rdfs:comment {_text(comment)} ;
    lv2:minorVersion 2 ;
    lv2:microVersion 0 ;
    lv2:optionalFeature lv2:hardRTCapable , urid:map , log:log , opts:options ;
    lv2:extensionData opts:interface ;
    opts:supportedOption bufsz:nominalBlockLength , bufsz:maxBlockLength ;
    lv2:port {" , ".join(_port(index, port) for index, port in enumerate(ports))} .
"""


def _fixed_ports() -> list[_Port]:
    toggle = ("lv2:portProperty lv2:toggled", "lv2:minimum 0", "lv2:maximum 1")
    count = ("lv2:portProperty lv2:integer", "lv2:minimum 0", "lv2:maximum 16777216")
    return [
        _Port("Control", "Input", "enabled", "Enabled", (*toggle, "lv2:default 1", "lv2:designation lv2:enabled",
              "rdfs:comment " + _text("Off: the input, as late as the result would be."))),
        _Port("Control", "Input", "mix", "Mix", ("lv2:default 1.0", "lv2:minimum 0.0", "lv2:maximum 1.0",
              "units:unit units:coef", "rdfs:comment " + _text("0 is the input, 1 the result, aligned in time."))),
        _Port("Control", "Output", "latency", "Latency",
              ("lv2:portProperty lv2:reportsLatency , lv2:integer", "lv2:designation lv2:latency",
               "lv2:minimum 0", f"lv2:maximum {LARGEST_LATENCY_SAMPLES}", "units:unit units:frame")),
        _Port("Control", "Input", "freewheel", "Freewheel",
              ("lv2:portProperty lv2:toggled , pprops:notOnGUI", "lv2:minimum 0", "lv2:maximum 1", "lv2:default 0",
               "lv2:designation lv2:freeWheeling",
               "rdfs:comment " + _text("On while the host bounces offline: every block then waits for the model."))),
        _Port("Control", "Output", "misses", "Late hops", (*count,
              "rdfs:comment " + _text("Steps of the model that came too late and were silenced, since activation."))),
        _Port("Control", "Output", "faults", "Model faults", (*count,
              "rdfs:comment " + _text("Steps on which the model failed and was silenced, since activation."))),
    ]  # fmt: skip


def _control_port(control: Control) -> _Port:
    lines = [f"lv2:default {_number(control.default)}", f"lv2:minimum {_number(control.minimum)}",
             f"lv2:maximum {_number(control.maximum)}"]  # fmt: skip
    if control.unit in UNITS:
        lines.append(f"units:unit units:{UNITS[control.unit]}")
    elif control.unit:
        label, render = _text(control.unit), _text("%f " + control.unit.replace("%", "%%"))
        lines.append(f"units:unit [ a units:Unit ; rdfs:label {label} ; units:symbol {label} ; units:render {render} ]")
    name = control.name.replace("_", " ")
    return _Port("Control", "Input", f"control_{control.name}", name[:1].upper() + name[1:], tuple(lines))


def _port(index: int, port: _Port) -> str:
    head = (
        f"a lv2:{port.direction}Port , lv2:{port.kind}Port",
        f"lv2:index {index}",
        f"lv2:symbol {_text(port.symbol)}",
        f"lv2:name {_text(port.name)}",
    )
    return "[\n        " + " ;\n        ".join((*head, *port.lines)) + "\n    ]"


def _number(value: float) -> str:
    """A decimal or a double of Turtle, never an integer, read back as the same float32."""
    text = f"{value:.9g}"
    return text if any(character in text for character in ".e") else text + ".0"


def _text(text: str) -> str:
    """A string of Turtle, its special characters escaped (W3C Turtle, 6.4)."""
    special = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return '"' + "".join(special.get(character, character) for character in text) + '"'
