"""Short forms and Roman numerals of other languages, and that they end no sentence."""

import pytest

from tts.text.frontend import Frontend
from tts.text.normalize import normalize
from tts.text.sentences import split_complete, split_sentences

SHORT = [
    ("de", "z. B. Äpfel, z.B. Birnen", "zum Beispiel Äpfel, zum Beispiel Birnen"),
    ("de", "heute bzw. morgen", "heute beziehungsweise morgen"),
    ("de", "Hr. Meier und Dr. Müller", "Herr Meier und Doktor Müller"),
    ("de", "Er geht zum Dr.", "Er geht zum Doktor."),
    ("de", "Nr. 5, S. 12", "Nummer fünf, Seite zwölf"),
    ("de", "Rot, blau usw. Das ist alles.", "Rot, blau und so weiter. Das ist alles."),
    ("de", "Rot, blau usw. im Haus", "Rot, blau und so weiter im Haus"),
    ("de", "im 19. Jh. nach Köln", "im neunzehnten Jahrhundert nach Köln"),
    ("de", "Hauptstr. 5", "Hauptstraße fünf"),
    ("de", "Fr. Klein kam am Fr., nicht am Sa.", "Frau Klein kam am Fr., nicht am Sa."),
    ("fr", "M. Dupont et Mme Durand", "Monsieur Dupont et Madame Durand"),
    ("fr", "MM. Dupont", "Messieurs Dupont"),
    ("fr", "J. M. Dupont", "J. M. Dupont"),
    ("fr", "p. ex. à la p. 12, n° 5", "par exemple à la page douze, numéro cinq"),
    ("es", "la Sra. López", "la señora López"),
    ("es", "Se fue. Sr. Gómez vino.", "Se fue. Señor Gómez vino."),
    ("es", "en EE. UU. y EE.UU.", "en Estados Unidos y Estados Unidos."),
    ("es", "en la pág. 12", "en la página doce"),
    ("es", "n.º 5", "número cinco"),
    ("es", "Quiero ir. Mañana.", "Quiero ir. Mañana."),
    ("it", "il Sig. Rossi e la Sig.ra Bianchi", "il signor Rossi e la signora Bianchi"),
    ("it", "Dott. Rossi, ecc.", "dottor Rossi, eccetera."),
    ("it", "ad es. Roma", "ad esempio Roma"),
    ("pt", "na Av. Paulista", "na avenida Paulista"),
    ("pt", "o Sr. Silva e a Dra. Ana", "o senhor Silva e a doutora Ana"),
    ("nl", "dhr. Jansen en de dhr. Bakker", "de heer Jansen en de heer Bakker"),
    ("nl", "blz. 12 t/m 14", "bladzijde twaalf tot en met veertien"),
    ("pl", "ul. Długa, na ul. Długiej", "ulica Długa, na ulicy Długiej"),
    ("pl", "nr 5, str. 6", "numer pięć, strona sześć"),
    ("pl", "np. Kraków, itd. Potem", "na przykład Kraków, i tak dalej. Potem"),
    ("pl", "5 os. Potem", "pięć os. Potem"),
    ("pl", "ok. 5 km", "około pięciu kilometrów"),
]
ROMAN = [
    ("de", "Ludwig XIV. war König.", "Ludwig der Vierzehnte war König."),
    ("de", "Das war Ludwig XIV.", "Das war Ludwig der Vierzehnte."),
    ("de", "unter Ludwig XIV. oder mit Elisabeth II. von England",
     "unter Ludwig dem Vierzehnten oder mit Elisabeth der Zweiten von England"),
    ("de", "Ludwigs XIV. Schloss", "Ludwigs des Vierzehnten Schloss"),
    ("de", "im II. Weltkrieg", "im zweiten Weltkrieg"),
    ("de", "Kapitel II. Teil I.", "Kapitel II. Teil I."),
    ("fr", "Louis XIV et François Ier", "Louis quatorze et François premier"),
    ("fr", "au XXe siècle, Ce soir, Le XVIe", "au vingtième siècle, Ce soir, Le seizième"),
    ("es", "Felipe VI y Carlos V", "Felipe sexto y Carlos quinto"),
    ("es", "Alfonso XIII e Isabel II", "Alfonso trece e Isabel segunda"),
    ("es", "siglo XXI", "siglo veintiuno"),
    ("es", "siglos XV y XVI", "siglos quince y dieciséis"),
    ("es", "Capítulo V", "Capítulo V"),
    ("it", "Elisabetta II, XX secolo", "Elisabetta seconda, ventesimo secolo"),
    ("pt", "João Paulo II, século XX", "João Paulo segundo, século vinte"),
    ("nl", "Lodewijk XIV, XXe eeuw", "Lodewijk de veertiende, twintigste eeuw"),
    ("pl", "XX wiek", "dwudziesty wiek"),
    ("pl", "w XXI wieku", "w dwudziestym pierwszym wieku"),
    ("pl", "Jan III Sobieski, Jana Pawła II", "Jan trzeci Sobieski, Jana Pawła drugiego"),
    ("pl", "podczas II wojny", "podczas drugiej wojny"),
]  # fmt: skip
ALL = SHORT + ROMAN


@pytest.mark.parametrize(("lang", "written", "said"), ALL, ids=[f"{c[0]}-{c[1]}" for c in ALL])
def test_said_in_full(lang: str, written: str, said: str) -> None:
    assert normalize(written, lang) == said


@pytest.mark.parametrize(
    ("lang", "text"),
    [
        ("de", "Wir sehen Hr. Meier und bzw. Frau Klein in Nr. 5 heute."),
        ("es", "Vino la Sra. López de EE. UU. a la pág. 12 ayer."),
        ("fr", "Voici MM. Dupont et Mlle. Durand."),
        ("it", "Ecco il Sig. Rossi e il Dott. Bianchi."),
        ("pt", "Na Av. Paulista mora o Sr. Silva."),
        ("nl", "Hier woont dhr. Jansen, zie blz. 12 hiervan."),
        ("pl", "Mieszka na ul. Długiej, np. Kraków."),
    ],
)
def test_they_do_not_end_a_sentence(lang: str, text: str) -> None:
    (phones,) = Frontend(lang)(text)
    assert str(phones).count(".") == 1
    assert [part for part, _ in split_complete([text[:12], text[12:]], lang)] == [text]


def test_words_that_look_like_them_end_theirs() -> None:
    text = "I like modern art. Go on. We walked under the arch. It rained."
    assert len(split_sentences(text)) == 4


@pytest.mark.parametrize("word", ["gent", "fam", "sig", "env", "eng", "obs"])
def test_english_words_that_look_like_them_end_a_sentence(word: str) -> None:
    assert len(split_sentences(f"He is my {word}. She left.")) == 2
