"""What the mini-parliament says: templates, nouns, and how each language joins them.

Names of countries, currencies and months are those of the Unicode CLDR, by Babel; all else is
written here. Nothing carries an accent, so that a letter is a byte.
"""

import functools
import unicodedata
from typing import Literal, NamedTuple

from babel import Locale
from babel.numbers import get_currency_name

Language = Literal["en", "es", "fr", "pt"]
Kind = Literal["currency", "noun", "country", "month", "year"]

LANGUAGES: tuple[Language, ...] = ("en", "es", "fr", "pt")

CURRENCIES = (
    "EUR", "GBP", "USD", "JPY", "CHF", "SEK", "NOK", "DKK", "CZK", "TRY", "BRL", "MXN", "ARS",
    "CLP", "CAD", "AUD", "INR", "CNY", "EGP", "RUB", "ISK", "KRW", "THB", "KWD",
)  # fmt: skip
"""ISO 4217 codes of the currencies that are spoken of."""

COUNTRIES = (
    "FR", "DE", "IT", "ES", "PT", "PL", "SE", "NO", "DK", "FI", "GR", "IE", "HU", "RO", "BR",
    "MX", "CA", "JP", "IN", "CN", "EG", "AR", "CL", "PE",
)  # fmt: skip
"""ISO 3166 codes of the countries that are spoken of."""

YEARS = tuple(str(year) for year in range(1996, 2012))
MONTHS = tuple(str(month) for month in range(1, 13))

_FRENCH_MASCULINE = ("PT", "DK", "BR", "MX", "CA", "JP", "CL", "PE")
_PORTUGUESE_MASCULINE = ("BR", "MX", "CA", "JP", "EG", "CL", "PE")
_FEMININE_CURRENCIES = {
    "es": ("libra", "corona", "lira", "rupia"),
    "fr": ("livre", "couronne", "roupie"),
    "pt": ("libra", "coroa", "lira", "rupia"),
}
"""First words of the currencies that are feminine; all others are masculine."""

NOUNS: dict[str, tuple[str, str, str]] = {
    "minister": ("m ministro", "m ministre", "m ministro"),
    "president": ("m presidente", "m president", "m presidente"),
    "commissioner": ("m comisario", "m commissaire", "m comissario"),
    "delegate": ("m delegado", "m delegue", "m delegado"),
    "judge": ("m juez", "m juge", "m juiz"),
    "farmer": ("m agricultor", "m agriculteur", "m agricultor"),
    "worker": ("m trabajador", "m travailleur", "m trabalhador"),
    "rapporteur": ("m ponente", "m rapporteur", "m relator"),
    "committee": ("m comite", "m comite", "m comite"),
    "commission": ("f comision", "f commission", "f comissao"),
    "assembly": ("f asamblea", "f assemblee", "f assembleia"),
    "union": ("f union", "f union", "f uniao"),
    "region": ("f region", "f region", "f regiao"),
    "company": ("f empresa", "f entreprise", "f empresa"),
    "bank": ("m banco", "f banque", "m banco"),
    "market": ("m mercado", "m marche", "m mercado"),
    "government": ("m gobierno", "m gouvernement", "m governo"),
    "treaty": ("m tratado", "m traite", "m tratado"),
    "budget": ("m presupuesto", "m budget", "m orcamento"),
    "law": ("f ley", "f loi", "f lei"),
    "school": ("f escuela", "f ecole", "f escola"),
    "industry": ("f industria", "f industrie", "f industria"),
    "fishery": ("f pesqueria", "f pecherie", "f pescaria"),
    "border": ("f frontera", "f frontiere", "f fronteira"),
}
"""English noun -> gender and noun in Spanish, French and Portuguese."""

# A slot is [JOIN NAME]: `a` and `b` stand for a noun or a currency, `c` and `d` for countries,
# `m` for a month, `y` for a year; JOIN is the article or preposition that the language merges.
TEMPLATES: tuple[tuple[str, str, str, str], ...] = (
    (
        "We have a serious problem with [the a].",
        "Tenemos un problema grave con [the a].",
        "Nous avons un probleme grave avec [the a].",
        "Temos um problema grave com [the a].",
    ),
    (
        "In [m] [y], [c] spoke about [the a].",
        "[c] hablo sobre [the a] en [m] de [y].",
        "[the c] a parle sur [the a] en [m] [y].",
        "Em [m] de [y], [the c] falou sobre [the a].",
    ),
    (
        "[The a] is important for [c].",
        "Para [c] es importante [the a].",
        "Pour [the c], [the a] est chose importante.",
        "[The a] e importante para [the c].",
    ),
    (
        "The people [of c] do not trust [the a].",
        "La gente [of c] no confia en [the a].",
        "Les gens [of c] ne croient pas en [the a].",
        "As pessoas [of c] nao confiam [in a].",
    ),
    (
        "I would like to speak first about [the a] and then about [the b].",
        "Quisiera hablar primero sobre [the a] y despues sobre [the b].",
        "Je voudrais parler d abord sur [the a] et ensuite sur [the b].",
        "Gostaria de falar primeiro sobre [the a] e depois sobre [the b].",
    ),
    (
        "[c] voted against [the a] in [m].",
        "En [m], [c] voto contra [the a].",
        "[the c] a vote en [m] contre [the a].",
        "[the c] votou contra [the a] em [m].",
    ),
    (
        "The debate on [the a] is closed.",
        "Queda cerrado el debate sobre [the a].",
        "Le debat sur [the a] est clos.",
        "Esta encerrado o debate sobre [the a].",
    ),
    (
        "The vote on [the a] will take place in [m].",
        "En [m] se votara sobre [the a].",
        "Le vote sur [the a] aura lieu en [m].",
        "A votacao sobre [the a] tera lugar em [m].",
    ),
    (
        "The future [of a] is in the hands [of b].",
        "En manos [of b] esta el futuro [of a].",
        "L avenir [of a] est dans les mains [of b].",
        "O futuro [of a] esta nas maos [of b].",
    ),
    (
        "Mr President, [c] needs [the a].",
        "Senor Presidente, [the a] es necesario para [c].",
        "Monsieur le President, [the c] a besoin [of a].",
        "Senhor Presidente, [the c] precisa [of a].",
    ),
    (
        "Since [y] we have lived with [the a].",
        "Vivimos con [the a] desde [y].",
        "Depuis [y] nous vivons avec [the a].",
        "Vivemos desde [y] com [the a].",
    ),
    (
        "What does the report say about [the a]?",
        "Sobre [the a], que dice el informe?",
        "Que dit le rapport sur [the a]?",
        "O que diz o relatorio sobre [the a]?",
    ),
    (
        "Without [the a] there is no peace [in c].",
        "[in c] no hay paz sin [the a].",
        "Sans [the a], il n y a pas de paix [in c].",
        "Sem [the a] nao ha paz [in c].",
    ),
    (
        "We must choose between [the a] and [the b].",
        "Entre [the a] y [the b] debemos elegir.",
        "Nous devons choisir entre [the a] et [the b].",
        "Temos de escolher entre [the a] e [the b].",
    ),
    (
        "[c] and [d] agree about [the a].",
        "Sobre [the a] estan de acuerdo [c] y [d].",
        "[the c] et [the d] sont d accord sur [the a].",
        "[the c] e [the d] estao de acordo sobre [the a].",
    ),
    (
        "The crisis [of y] began with [the a].",
        "Con [the a] empezo la crisis [of y].",
        "C est avec [the a] que commenca la crise [of y].",
        "A crise [of y] comecou com [the a].",
    ),
    (
        "I thank [c] for its work on [the a].",
        "Por su trabajo sobre [the a] doy las gracias a [c].",
        "Je remercie [the c] pour son travail sur [the a].",
        "Agradeco a [c] pelo trabalho sobre [the a].",
    ),
    (
        "My question is about [the a], not about [the b].",
        "No es sobre [the b] mi pregunta, sino sobre [the a].",
        "Ma question porte sur [the a], pas sur [the b].",
        "A minha pergunta e sobre [the a], nao sobre [the b].",
    ),
    (
        "Our group supports [the a] against [the b].",
        "Contra [the b], nuestro grupo apoya [the a].",
        "Notre groupe soutient [the a] contre [the b].",
        "O nosso grupo apoia [the a] contra [the b].",
    ),
    (
        "In [c] they talk about nothing but [the a].",
        "Solo sobre [the a] se habla [in c].",
        "[in c] on ne parle que sur [the a].",
        "[in c] so se fala sobre [the a].",
    ),
    (
        "Is [the a] ready for [y]?",
        "Para [y], esta listo [the a]?",
        "Pour [y], est ce que [the a] est pret?",
        "Para [y], [the a] esta pronto?",
    ),
    (
        "The council adopted a text on [the a] in [m] [y].",
        "El consejo aprobo en [m] de [y] un texto sobre [the a].",
        "En [m] [y], le conseil a adopte un texte sur [the a].",
        "O conselho aprovou um texto sobre [the a] em [m] de [y].",
    ),
    (
        "With [the a], [c] has a chance.",
        "[c] tiene una oportunidad con [the a].",
        "Avec [the a], [the c] a une chance.",
        "[the c] tem uma oportunidade com [the a].",
    ),
    (
        "Let us not forget [the a] [of c].",
        "No olvidemos [the a] [of c].",
        "N oublions pas [the a] [of c].",
        "Nao esquecamos [the a] [of c].",
    ),
    (
        "The next item is [the a].",
        "[The a] es el punto siguiente.",
        "Le point suivant est [the a].",
        "O ponto seguinte e [the a].",
    ),
    (
        "From [m] on, [the a] depends on [the b].",
        "[The a] depende [of b] desde [m].",
        "A partir de [m], [the a] depend [of b].",
        "[The a] depende [of b] a partir de [m].",
    ),
    (
        "There is no need [of a] [in c].",
        "[in c] no hay necesidad [of a].",
        "Il n y a pas besoin [of a] [in c].",
        "Nao ha necessidade [of a] [in c].",
    ),
    (
        "I am here because [of a].",
        "A causa [of a] estoy aqui.",
        "Je suis ici a cause [of a].",
        "Estou aqui por causa [of a].",
    ),
    (
        "[c] will never accept [the a] [of d].",
        "Nunca aceptara [c] [the a] [of d].",
        "[the c] n acceptera jamais [the a] [of d].",
        "[the c] nunca aceitara [the a] [of d].",
    ),
    (
        "Everything that [the a] promised in [y] is false.",
        "Es falso todo lo que [the a] prometio en [y].",
        "Tout ce que [the a] a promis en [y] est faux.",
        "E falso tudo o que [the a] prometeu em [y].",
    ),
)
"""Each sentence in English, Spanish, French and Portuguese, in the word order of each."""


class Word(NamedTuple):
    """A filling of a slot in one language."""

    text: str
    gender: Literal["m", "f", ""]
    """Of its article; empty where it takes none."""


@functools.cache
def word(language: Language, kind: Kind, value: str) -> Word:
    """What a value is called in a language: a code, an English noun, a month from 1, a year."""
    if kind == "year":
        return Word(value, "")
    if kind == "noun":
        if language == "en":
            return Word(value, "m")
        gender, _, text = NOUNS[value][LANGUAGES.index(language) - 1].partition(" ")
        return Word(text, "f" if gender == "f" else "m")
    locale = Locale.parse(language)
    if kind == "month":
        return Word(plain(locale.months["format"]["wide"][int(value)]), "")
    if kind == "country":
        return Word(plain(locale.territories[value]), _country_gender(language, value))
    # The form that follows a number: CLDR writes the bare name of English currencies with
    # capitals, which would tell a currency from a noun before a letter of it is read.
    text = plain(get_currency_name(value, count=1, locale=locale))
    if language != "en":  # CLDR's Portuguese begins with a capital even so
        text = text[:1].lower() + text[1:]
    feminine = _FEMININE_CURRENCIES.get(language, ())
    return Word(text, "f" if text.split(" ")[0] in feminine else "m")


def joined(language: Language, join: str, kind: Kind, filled: Word) -> str:
    """What stands before a filling: the article or preposition, merged as the language does."""
    capital, join = join == "The", join.lower()
    before = _JOINS[language](join, kind, filled) if join else ""
    return before[:1].upper() + before[1:] if capital else before


def plain(text: str) -> str:
    """The text without accents and without anything else that is not ASCII."""
    apart = unicodedata.normalize("NFKD", text)
    return apart.encode("ascii", "ignore").decode()


def _country_gender(language: Language, code: str) -> Literal["m", "f", ""]:
    if language == "fr":
        return "m" if code in _FRENCH_MASCULINE else "f"
    if language == "pt" and code != "PT":
        return "m" if code in _PORTUGUESE_MASCULINE else "f"
    return ""


def _english(join: str, kind: Kind, filled: Word) -> str:
    the = "the " if kind in ("noun", "currency") else ""
    return the if join == "the" else f"{join} {the}"


def _spanish(join: str, kind: Kind, filled: Word) -> str:
    the = {"m": "el ", "f": "la ", "": ""}[filled.gender]
    if join == "the":
        return the
    if join == "of":
        return "del " if filled.gender == "m" else f"de {the}"
    return f"en {the}"


def _french(join: str, kind: Kind, filled: Word) -> str:
    vowel = filled.text[0] in "aeiouAEIOU"
    the = "l'" if vowel else {"m": "le ", "f": "la ", "": ""}[filled.gender]
    if not filled.gender:
        return {"the": "", "of": "de ", "in": "en "}[join]
    if kind == "country":
        of = "d'" if vowel else {"m": "du ", "f": "de "}[filled.gender]
        inside = "au " if filled.gender == "m" and not vowel else "en "
        return {"the": the, "of": of, "in": inside}[join]
    of = "du " if filled.gender == "m" and not vowel else f"de {the}"
    return {"the": the, "of": of, "in": f"dans {the}"}[join]


def _portuguese(join: str, kind: Kind, filled: Word) -> str:
    the = {"m": "o ", "f": "a ", "": ""}[filled.gender]
    return {"the": the, "of": f"d{the}" if the else "de ", "in": f"n{the}" if the else "em "}[join]


_JOINS = {"en": _english, "es": _spanish, "fr": _french, "pt": _portuguese}
