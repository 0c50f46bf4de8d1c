"""What the page shows is what the model did."""

import re
import xml.etree.ElementTree as ET

import jax.numpy as jnp
import numpy as np
import pytest

from engrax.tasks import Text
from engrax.text import TextError, look_inside, write_look
from engrax.text._letters import at_end, letters, summed
from engrax.text._look_page import page
from engrax.text._synapses import find_synapses, follow, frequent_words, occurrences
from tests.text.small_models import TEXT, untrained


@pytest.fixture(scope="module")
def inside():
    return look_inside(untrained("bdh"), TEXT, length=200, synapses=3)


def test_a_synapse_is_the_entry_of_the_hebbian_state():
    rng = np.random.default_rng(0)
    time, size = 9, 6
    x, y = (np.maximum(rng.normal(size=(2, time, 1, size)), 0) for _ in range(2))
    turns = np.repeat([0.7, 0.2, 0.01], 2)
    keep, (i, j) = 0.9, (4, 3)
    found = follow(x, y, (turns, (keep,)), (1, 0, i, j), b"word", [slice(0, 2), slice(5, 7)])
    # sigma_t = sum over tau of y x^T U^(t - tau), with U the rotations of pairs, written out.
    for t in range(time):
        sigma = np.zeros((size, size))
        for tau in range(t + 1):
            turned = np.zeros(size)
            for pair in range(size // 2):
                angle = turns[2 * pair] * (t - tau)
                c, s = np.cos(angle), np.sin(angle)
                a, b = x[1, tau, 0, 2 * pair : 2 * pair + 2]
                turned[2 * pair : 2 * pair + 2] = a * c + b * s, b * c - a * s
            sigma += keep ** (t - tau) * np.outer(y[0, tau, 0], turned)
        assert found.strength[t] == pytest.approx(max(0.0, sigma[i, j]), abs=1e-12)
    np.testing.assert_allclose(found.growth, y[0, :, 0, i] * x[1, :, 0, j])
    # The second half is the test.
    assert found.share == pytest.approx(found.growth[5:7].sum() / found.growth[4:].sum())
    assert found.occurrences == 1


def test_a_planted_synapse_is_found():
    rng = np.random.default_rng(1)
    data = TEXT.data[:144]
    x = np.maximum(rng.normal(size=(3, 144, 2, 8)) - 1.0, 0)
    y = np.maximum(rng.normal(size=(3, 144, 2, 8)) - 1.0, 0)
    said = np.zeros(144)
    for part in occurrences(data, b"sat"):
        said[part] = 1.0
    first = occurrences(data, b"sat")[0]
    y[1, first, 1], x[2, first, 1] = 0.0, 0.0  # nothing else fires at one place of the word
    y[1, :, 1, 5], x[2, :, 1, 7] = said, said
    lasting = (np.full(8, 1e-4), (1.0, 1.0))
    best = find_synapses(x, y, data, lasting, [b"sat"], 1)[0]
    assert (best.layer, best.head, best.i, best.j) == (2, 1, 5, 7)
    assert best.share == 1.0
    assert best.hits == best.occurrences == 3  # of the 6 the second half says 3


def test_the_second_half_has_no_say_in_the_choice():
    rng = np.random.default_rng(2)
    data = TEXT.data[:144]
    x, y = (np.maximum(rng.normal(size=(2, 144, 1, 8)), 0) for _ in range(2))
    lasting = (np.full(8, 1e-4), (1.0,))
    found = find_synapses(x, y, data, lasting, [b"sat"], 3)
    x[:, 72:], y[:, 72:] = 1.0, 1.0
    again = find_synapses(x, y, data, lasting, [b"sat"], 3)
    assert [(s.i, s.j) for s in found] == [(s.i, s.j) for s in again]


def test_neurons_that_turn_fast_are_left_out():
    x = y = np.ones((2, 48, 1, 4))
    lasting = (np.array([1.0, 1.0, 1e-3, 1e-3]), (1.0,))
    found = find_synapses(x, y, TEXT.data[:48], lasting, [b"cat"], 8)
    assert {synapse.j for synapse in found} == {2, 3}


def test_words_are_whole_and_frequent():
    data = np.frombuffer(b"the other the them the cat the", np.uint8)
    assert [part.start for part in occurrences(data, b"the")] == [0, 10, 19, 27]
    assert frequent_words(data) == [b"the"]
    assert frequent_words(np.frombuffer(b"a b a c a b", np.uint8)) == [b"a"]
    with pytest.raises(TextError, match="say nothing again and again"):
        frequent_words(np.frombuffer(b"abc", np.uint8))


def test_shares_and_cost_are_those_of_the_model(inside):
    model = untrained("bdh")
    seen = model.model.activations(jnp.asarray(inside.data.astype(np.int32)))
    np.testing.assert_allclose(inside.firing_x, (np.asarray(seen["x"]) > 0).mean((1, 2, 3)))
    np.testing.assert_allclose(inside.firing_y, (np.asarray(seen["y"]) > 0).mean((1, 2, 3)))
    # score counts 8 bits for the first byte, the page leaves it out
    bits = (model.score(inside.data).bits_per_byte * 200 - 8) / 199
    assert inside.bits == pytest.approx(bits, rel=1e-5)


def test_wires_are_the_largest_positive_entries(inside):
    graph = inside.graph
    pull = np.array(untrained("bdh").model.neuron_graph("x", heads=(graph.head, graph.head)))
    np.fill_diagonal(pull, 0)
    start, to, weight = graph.edges[0]
    assert pull[graph.neurons[to], graph.neurons[start]] == pytest.approx(pull.max())
    assert weight == 1.0
    weights = [weight for *_, weight in graph.edges]
    assert weights == sorted(weights, reverse=True)
    assert ((graph.place >= 0) & (graph.place <= 1)).all()


def test_the_page_needs_no_network_and_its_drawings_are_whole(inside):
    document = page(inside)
    assert not re.search(r"https?:|src=|@import|url\(", document)
    drawings = re.findall(r"<svg.*?</svg>", document, re.S)
    assert len(drawings) == len(inside.synapses) + 2
    for drawing in drawings:
        ET.fromstring(drawing)
    for synapse in inside.synapses:
        assert f"“{synapse.word}”" in document


def test_the_text_cannot_break_the_page():
    hostile = b"</script><b>the &amp; the </script> the <b>the"
    text = Text("<i>name", np.frombuffer(hostile, np.uint8), "a test")
    document = page(look_inside(untrained("bdh"), text))
    assert document.count("</script>") == 2  # those of the page itself
    assert "<b>the" not in document
    assert "<i>name" not in document


def test_letters_are_letters_whatever_their_bytes():
    said, ends = letters(np.frombuffer("aé€😀".encode() + b"\xff\xc3", np.uint8))
    assert said == ["a", "é", "€", "😀", "\ufffd", "\ufffd"]
    assert ends.tolist() == [1, 3, 6, 10, 11, 12]
    values = np.arange(12.0)
    assert summed(values, ends).tolist() == [0, 3, 12, 30, 10, 11]
    assert at_end(values, ends).tolist() == [0, 2, 5, 9, 10, 11]


def test_page_and_figure_are_written(inside, tmp_path):
    where, figure = write_look(inside, tmp_path / "look")
    assert where.read_text(encoding="utf-8") == page(inside)
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert not list((tmp_path / "look").glob("*.part"))


def test_what_cannot_be_looked_into_is_refused():
    with pytest.raises(TextError, match="only a BDH can be looked into"):
        look_inside(untrained("gpt"), TEXT)
    with pytest.raises(TextError, match="never say 'dog'"):
        look_inside(untrained("bdh"), TEXT, about="dog")
    with pytest.raises(TextError, match="only one half of the 60 bytes"):
        look_inside(untrained("bdh"), TEXT, about="mat", length=60)
    with pytest.raises(TextError, match="begin further to the front"):
        look_inside(untrained("bdh"), TEXT, begin=10**6)
    with pytest.raises(ValueError, match="bytes to read are 1 to"):
        look_inside(untrained("bdh"), TEXT, length=0)
    with pytest.raises(ValueError, match="synapses is at least 1"):
        look_inside(untrained("bdh"), TEXT, synapses=0)
