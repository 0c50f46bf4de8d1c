"""The inside of a model as one page for the browser; needs no network."""

import json
from html import escape
from importlib.resources import files

import numpy as np

from ._letters import at_end, letters, summed
from ._look import Inside
from ._look_svg import COLORS, LEFT, WIDTH, curve, sparsity, wires
from ._synapses import Synapse, occurrences

_EXCERPTS, _AROUND = 5, 34


def page(inside: Inside) -> str:
    """One HTML document with its style, drawings and program inside."""
    said, ends = letters(inside.data)
    source = files("engrax.text")
    style = source.joinpath("look.css").read_text(encoding="utf-8")
    program = source.joinpath("look.js").read_text(encoding="utf-8")
    body = "\n".join(
        (
            _introduction(inside),
            _reader(inside),
            *(_card(inside, k, said, ends) for k in range(len(inside.synapses))),
            _sparsity(inside),
            _graph(inside),
            _definitions(inside),
        )
    )
    title = escape(f"Inside a language model: {inside.name}")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{style}</style></head>\n<body><main>\n{body}\n</main>\n"
        f'<script type="application/json" id="data">{_data(inside, said, ends)}</script>\n'
        f"<script>\n{program}</script>\n</body></html>\n"
    )


def _introduction(inside: Inside) -> str:
    size = inside.architecture
    facts = {
        "Text": inside.name,
        "Read": f"{len(inside.data):,} bytes",
        "Neurons": f"{size.neurons:,}",
        "Heads": size.heads,
        "Layers": size.layers,
        "Surprise": f"{inside.bits:.2f} bits per byte",
    }
    items = "".join(f"<div><dt>{k}</dt><dd>{escape(str(v))}</dd></div>" for k, v in facts.items())
    return (
        "<h1>What this model remembers while it reads</h1>"
        "<p>This is a Dragon Hatchling, a language model made of neurons and synapses. It reads a "
        "text one byte (one letter, mostly) at a time and guesses the next. Its wires were set by "
        "training, long ago, and do not change here. What changes while it reads are its "
        "<strong>synapses</strong>: they all start at zero with the first letter, and they are "
        "the only thing that it keeps of what it has read.</p>"
        "<p><strong>The rule is Hebb's: what fires together, wires together.</strong> A synapse "
        "leads from one neuron to another. Whenever the second neuron has just fired and the "
        "first one fires too, the synapse between them grows a little. Later, when the first "
        "neuron fires again, the synapse calls the second one to mind: the stronger the synapse, "
        "the louder the call. So a single synapse remembers one thing, such as <em>this word "
        "was said a while ago</em>, and fades until it is said again. Below "
        "you can watch some of them do so.</p>"
        f'<dl class="facts">{items}</dl>'
        '<p class="soft">Surprise is what a letter costs on average: 8 bits for a model that '
        "knows nothing, 0 for one that is never wrong.</p>"
    )


def _reader(inside: Inside) -> str:
    names = [_name(synapse) for synapse in inside.synapses]
    choices = "".join(f'<option value="{k}">{escape(n)}</option>' for k, n in enumerate(names))
    short = [name.removeprefix("the synapse of ") for name in names]
    meters = "".join(
        f'<div class="meter" id="meter{k}"><span>{escape(name)}</span>'
        f'<div><i style="background:{_color(k)}"></i></div><b></b></div>'
        for k, name in enumerate(short)
    )
    return (
        '<h2>Read along</h2><div id="reader"><p>Press Read, or pull the slider. Letters are '
        "colored where the chosen synapse grew; the bars say how strong each synapse is by now, "
        "as a share of the most it comes to in this text.</p>"
        '<div class="controls"><button id="play" type="button">Read</button>'
        '<input id="at" type="range" min="0" value="0" aria-label="letter that is being read">'
        f'<label>color by <select id="which">{choices}</select></label></div>'
        f'<div id="text"></div>{meters}</div>'
        "<noscript><p>Reading along needs JavaScript; everything below does not.</p></noscript>"
    )


def _card(inside: Inside, k: int, said: list[str], ends: np.ndarray) -> str:
    synapse = inside.synapses[k]
    strength = at_end(synapse.strength, ends)
    top = strength.max() or 1.0
    marks = [
        (int(np.searchsorted(ends, part.start, "right")), int(np.searchsorted(ends, part.stop)) + 1)
        for part in occurrences(inside.data, synapse.word.encode())
    ]
    bytes_said = synapse.occurrences * len(synapse.word.encode())
    return (
        f'<section class="card"><h3 style="color:{_color(k)}">{escape(_name(synapse))}</h3>'
        f"<p>In the first half of the text this synapse grew at the word <strong>“"
        f"{escape(synapse.word)}”</strong>; that is why it is shown. The second half, which had no "
        f"say in that, is the test: there it grew at {synapse.hits} of the {synapse.occurrences} "
        f"places where the word is said, and {100 * synapse.share:.0f} % of its growth fell on "
        f"them, though they make up only {200 * bytes_said / len(inside.data):.1f} % of that half. "
        f"{_verdict(synapse)}</p>"
        f"{curve(strength / top, marks, _color(k), k)}"
        '<p class="soft">The line is the strength of the synapse as the text goes by, the bars are '
        "the places where the word is said, the dots mark the half. It grew most at these "
        "letters:</p>"
        f'<ul class="excerpts">{_excerpts(synapse, said, ends)}</ul>'
        f'<p class="soft">Layer {synapse.layer + 1}, head {synapse.head + 1}, from neuron '
        f"{synapse.j} to neuron {synapse.i}.</p></section>"
    )


def _verdict(synapse: Synapse) -> str:
    if synapse.occurrences < 3:
        return "So few places prove nothing; let the model read more of the text."
    if synapse.share >= 0.8 and synapse.hits >= 0.8 * synapse.occurrences:
        return "It passes: it stands for this word and for little else."
    if synapse.share >= 0.4 and synapse.hits >= 0.5 * synapse.occurrences:
        return "It passes in part: it stands for this word more than for others, not for it alone."
    return "It fails: what looked like a memory of this word was a coincidence, or is wider."


def _excerpts(synapse: Synapse, said: list[str], ends: np.ndarray) -> str:
    """The letters at which it grew most, each with what is around it."""
    growth = summed(synapse.growth, ends)
    top = growth.max() or 1.0
    lines, shown = [], np.zeros(len(said), bool)
    for t in np.argsort(-growth, kind="stable"):
        if growth[t] <= 0 or len(lines) == _EXCERPTS:
            break
        begin, end = max(0, t - _AROUND), min(len(said), t + _AROUND // 2)
        if shown[t]:
            continue
        shown[max(0, t - 12) : t + 12] = True
        line = "".join(
            f'<mark style="background:rgba(var(--mark), {0.15 + 0.75 * growth[s] / top:.2f})">'
            f"{_visible(said[s])}</mark>"
            if growth[s] > 0.02 * top
            else _visible(said[s])
            for s in range(begin, end)
        )
        pad = " " * (_AROUND - (t - begin))
        lines.append(f'<li>{pad}{line}<span class="more">letter {t + 1:,}</span></li>')
    return "".join(lines)


def _sparsity(inside: Inside) -> str:
    return (
        "<h2>Few neurons fire at a time</h2>"
        "<p>A neuron here is silent or it fires, never less than silent. At each letter only some "
        "of them fire, so that what fires means something: if all of them fired at everything, "
        "every synapse would grow everywhere and none could be told from another. The first bar "
        "(x) is what a layer sends into its memory; the second (y) is what is left once the "
        "memory has answered, when only those neurons go on that the memory agrees with.</p>"
        f"<figure>{sparsity(inside.firing_x, inside.firing_y)}<figcaption>Share of the "
        f"{inside.architecture.neurons:,} neurons that fire at a letter, on average over the text."
        "</figcaption></figure>"
    )


def _graph(inside: Inside) -> str:
    graph = inside.graph
    return (
        "<h2>The wires that training has laid</h2>"
        "<p>Synapses come and go with each text; wires stay. A wire says which neuron makes which "
        "other fire, in any text. Neurons that are wired closely have the same color. The letters "
        "are those at which a neuron fires most in this text; point at a neuron to see more.</p>"
        f"<figure>{wires(graph, inside.favorites, inside.synapses)}<figcaption>The "
        f"{len(graph.edges)} strongest wires between {len(graph.neurons)} of the {graph.total} "
        f"neurons of head {graph.head + 1}. Larger dots belong to the synapses above."
        "</figcaption></figure>"
    )


def _definitions(inside: Inside) -> str:
    gated = (
        "<tr><td>Gates</td><td>This model also forgets and weighs what it writes, by gates on its "
        "compressed memory; growth and strength here are shown without them.</td></tr>"
        if inside.architecture.model == "bdh_prime"
        else ""
    )
    return (
        "<h2>What exactly is shown</h2><table>"
        "<tr><td>Growth</td><td><code>y_i · x_j</code> at each byte: how strongly neuron i fired "
        "at the end of the layer before, times how strongly neuron j fires now.</td></tr>"
        "<tr><td>Strength</td><td>The entry (i, j) of <code>σ_t = Σ y x<sup>T</sup> U<sup>t−τ"
        "</sup></code>, negative values left out. With the distance in the text U lets all "
        f"memory fade (to 1/e in {inside.architecture.context} bytes or less) and turns pairs "
        "of neurons, some fast and some slowly; shown are only synapses of slow ones.</td></tr>"
        "<tr><td>Choice</td><td>Of all synapses those with the largest share of growth at a word, "
        "times the share of its occurrences at which they grew, in the first half of the text. "
        "Among so many some will look right by chance; the second half tells which.</td></tr>"
        "<tr><td>In the model</td><td>The model does not store these synapses one by one but "
        "their product with a fixed matrix, which is smaller and acts the same.</td></tr>"
        f"{gated}"
        "<tr><td>Wires</td><td>The largest positive entries of <code>G = D<sub>x</sub> E</code> of "
        "one head; communities by the Louvain method.</td></tr>"
        "<tr><td>Source</td><td>Kosowski et al., The Dragon Hatchling, 2025, arXiv:2509.26507."
        "</td></tr></table>"
    )


def _data(inside: Inside, said: list[str], ends: np.ndarray) -> str:
    """What the program of the page reads; safe inside a script element."""
    synapses = []
    for k, synapse in enumerate(inside.synapses):
        growth, strength = summed(synapse.growth, ends), at_end(synapse.strength, ends)
        color = ", ".join(str(int(_color(k)[i : i + 2], 16)) for i in (1, 3, 5))
        synapses.append(
            {
                "color": color,
                "growth": _rounded(growth / (growth.max() or 1.0)),
                "strength": _rounded(strength / (strength.max() or 1.0)),
            }
        )
    content = {"letters": said, "left": LEFT, "width": WIDTH, "synapses": synapses}
    return json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(value), 3) for value in values]


def _name(synapse: Synapse) -> str:
    return f"the synapse of “{synapse.word}” (layer {synapse.layer + 1})"


def _color(k: int) -> str:
    return COLORS[k % len(COLORS)]


def _visible(letter: str) -> str:
    return {"\n": "⏎", "\t": "⇥", "\r": "␍"}.get(letter) or escape(letter)
