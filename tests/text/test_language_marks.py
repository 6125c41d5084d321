"""Addresses, scores, sizes, sections and what recipes count, in languages other than English."""

import pytest

from tts.text.normalize import normalize


@pytest.mark.parametrize(
    ("lang", "written", "said"),
    [
        ("de", "an max@beispiel.de.", "an max ät beispiel Punkt de."),
        ("de", "auf www.beispiel.de.", "auf www Punkt beispiel Punkt de."),
        ("fr", "sur https://exemple.fr/aide", "sur exemple point fr barre oblique aide"),
        ("es", "en ejemplo.com hoy", "en ejemplo punto com hoy"),
        ("it", "a mario_r@esempio.it", "a mario trattino basso r chiocciola esempio punto it"),
        ("pt", "em www.exemplo.pt", "em www ponto exemplo ponto pt"),
        ("nl", "aan jan@voorbeeld.nl", "aan jan apenstaartje voorbeeld punt nl"),
        ("pl", "na www.przyklad.pl", "na www kropka przyklad kropka pl"),
        ("de", "Das ist gut.es regnet", "Das ist gut.es regnet"),
        ("de", "Köln gewann 3:1.", "Köln gewann drei zu eins."),
        ("de", "um 14:30 Uhr", "um vierzehn Uhr dreißig"),
        ("fr", "un score de 3:1", "un score de trois à un"),
        ("es", "Ganó 3:1.", "Ganó tres a uno."),
        ("pl", "Wygrała 3:1.", "Wygrała trzy jeden."),
        ("de", "2 x 3 m", "zwei mal drei Meter"),
        ("fr", "2 x 3 m", "deux sur trois mètres"),
        ("it", "2 x 3 m", "due per tre metri"),
        ("de", "§ 5 und §§ 5-7", "Paragraf fünf und Paragrafen fünf bis sieben"),
        ("fr", "§ 5", "paragraphe cinq"),
        ("de", "3 EL Mehl, 2 TL Salz", "drei Esslöffel Mehl, zwei Teelöffel Salz"),
        ("de", "20 Min. backen, 1 Std. ruhen", "zwanzig Minuten backen, eine Stunde ruhen"),
        ("de", "Es dauert 5 Std.", "Es dauert fünf Stunden."),
        ("fr", "2 c. à soupe d'huile", "deux cuillères à soupe d'huile"),
        ("fr", "1 c. à café de sel", "une cuillère à café de sel"),
        ("fr", "th. 6", "thermostat six"),
        ("fr", "J.-C. Dupont et J.-P. Martin", "J-C Dupont et J-P Martin"),
        ("fr", "en 50 av. J.-C. environ", "en cinquante avant Jésus-Christ environ"),
        ("es", "a las 8 p. m. del lunes", "a las ocho p m del lunes"),
    ],
)
def test_said_in_words(lang: str, written: str, said: str) -> None:
    assert normalize(written, lang) == said
