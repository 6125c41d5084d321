"""Figures in groups, amounts, times and ordinals of other languages; and what stays as it is."""

import random

import pytest

from tts.text.frontend import Frontend
from tts.text.normalize import normalize
from tts.text.sentences import split_complete

LANGS = ("de", "fr", "es", "it", "pt", "nl", "pl")
GROUPS = [
    ("de", "IP 10.0.1.1", "IP zehn Punkt null Punkt eins Punkt eins"),
    ("fr", "192.168.0.1", "cent quatre-vingt-douze point cent soixante-huit point zéro point un"),
    ("de", "Version 1.234.5", "Version eins Punkt zweihundertvierunddreißig Punkt fünf"),
    ("nl", "1.000.50", "één punt nul nul nul punt vijftig"),
    ("de", "1,2,3", "eins, zwei, drei"),
    ("es", "$1,000,000.50", "un millón de dólares con cincuenta centavos"),
    ("de", "Tel. 555.123.4567", "Tel. fünf fünf fünf, eins zwei drei, vier fünf sechs sieben"),
    ("it", "02.123.4567", "zero due, uno due tre, quattro cinque sei sette"),
    ("nl", "020.123.45.67", "nul twee nul, één twee drie, vijfenveertig zevenenzestig"),
    ("de", "Tel. 030-1234567", "Tel. null drei null, eins zwei drei vier fünf sechs sieben"),
    ("de", "+49 30 1234567", "plus neunundvierzig dreißig, eins zwei drei vier fünf sechs sieben"),
    ("es", "Llame al 912 345 678.", "Llame al nueve uno dos, tres cuatro cinco, seis siete ocho."),
    ("pt", "(11) 91234-5678", "onze, nove um dois três quatro, cinco seis sete oito"),
    ("fr", "01 42 68 53 00",
     "zéro un quarante-deux soixante-huit cinquante-trois zéro zéro"),
    ("de", "10 000 €", "zehntausend Euro"),
    ("es", "10\u00a0000 €", "diez mil euros"),
    ("it", "10\u202f000 €", "diecimila euro"),
    ("nl", "10 000 euro", "tienduizend euro"),
    ("pt", "3 000 000 de habitantes", "três milhões de habitantes"),
    ("de", "5 000-10 000 Euro", "fünftausend bis zehntausend Euro"),
    ("de", "06 123 456", "null sechs, eins zwei drei, vier fünf sechs"),
]  # fmt: skip
AMOUNTS = [
    ("de", "Es sind -5 °C.", "Es sind minus fünf Grad Celsius."),
    ("de", "–10 €", "minus zehn Euro"),
    ("de", "-3 %", "minus drei Prozent"),
    ("fr", "Il fait -10°C", "Il fait moins dix degrés Celsius"),
    ("nl", "€ 5-10", "vijf tot tien euro"),
    ("nl", "€ -5,00", "min vijf euro"),
    ("de", "-10 bis -5 °C", "minus zehn bis minus fünf Grad Celsius"),
    ("pt-br", "R$ 5,00", "cinco reais"),
    ("pt-br", "R$ 2,5 milhões", "dois vírgula cinco milhões de reais"),
    ("de", "2,5 Mio. € im Jahr", "zwei Komma fünf Millionen Euro im Jahr"),
    ("de", "5 Mio. Euro", "fünf Millionen Euro"),
    ("de", "1 Mio. Menschen", "eine Million Menschen"),
    ("de", "3 Mrd. Euro", "drei Milliarden Euro"),
    ("de", "Es sind 5 Mio. Dann kam er.", "Es sind fünf Millionen. Dann kam er."),
    ("nl", "2 mln. euro", "twee miljoen euro"),
    ("it", "5 mln €", "cinque milioni di euro"),
    ("pl", "do 5 mln zł", "do pięciu milionów złotych"),
    ("pl", "2 tys. osób", "dwa tysiące osób"),
    ("es", "1.000.000 €", "un millón de euros"),
    ("fr", "1 000 000 €", "un million d'euros"),
    ("fr", "3 000 000 $", "trois millions de dollars"),
    ("it", "1.000.000 €", "un milione di euro"),
    ("pt", "2.000.000 €", "dois milhões de euros"),
    ("fr", "1,5 million", "un virgule cinq million"),
    ("de", "1 Euro", "ein Euro"),
    ("de", "½ Stunde", "eine halbe Stunde"),
    ("de", "1/2 Liter", "ein halber Liter"),
    ("de", "2½ Liter", "zweieinhalb Liter"),
    ("fr", "3/4 litre", "trois quarts de litre"),
    ("es", "1½ tazas", "una y media tazas"),
    ("it", "1/2 litro", "mezzo litro"),
    ("pt", "½ hora", "meia hora"),
    ("nl", "1½ uur", "anderhalf uur"),
    ("pl", "¾ litra", "trzy czwarte litra"),
    ("de", "5 m³ und 3 km²", "fünf Kubikmeter und drei Quadratkilometer"),
    ("de", "12 €/m²", "zwölf Euro pro Quadratmeter"),
    ("pl", "5 m²", "pięć metrów kwadratowych"),
    ("es", "200 £", "doscientas libras"),
]
TIMES = [
    ("es", "Trabajo 8 horas al día.", "Trabajo ocho horas al día."),
    ("es", "21 horas", "veintiuna horas"),
    ("it", "Dormo 8 ore.", "Dormo otto ore."),
    ("it", "1 ora", "un'ora"),
    ("pl", "8 godz. dziennie", "osiem godzin dziennie"),
    ("pl", "Trwa 2 godz. Potem koniec.", "Trwa dwie godziny. Potem koniec."),
    ("es", "24 h", "veinticuatro horas"),
    ("it", "24 h", "ventiquattro ore"),
    ("es", "a las 14:30 horas", "a las catorce treinta horas"),
    ("de", "8-10 Uhr", "acht bis zehn Uhr"),
    ("de", "8:30–10:00", "acht Uhr dreißig bis zehn Uhr"),
    ("nl", "9-17 uur", "negen tot zeventien uur"),
    ("fr", "9h-17h", "neuf heures à dix-sept heures"),
    ("es", "9-14 horas", "nueve a catorce horas"),
    ("pl", "w godz. 8-16", "w godzinach od ósmej do szesnastej"),
    ("pl", "8-16 godz.", "od ośmiu do szesnastu godzin."),
    ("it", "dalle 9.30 alle 12.30", "dalle nove e trenta alle dodici e trenta"),
    ("pl", "o godz. 8.30", "o godzinie ósmej trzydzieści"),
    ("pl", "o 8:30", "o ósmej trzydzieści"),
    ("pl", "do godziny 18", "do godziny osiemnastej"),
    ("fr", "1-3 mai", "premier à trois mai"),
    ("es", "1-3 de mayo", "uno a tres de mayo"),
    ("pl", "1-3 maja", "od pierwszego do trzeciego maja"),
    ("de", "am 03.05.24", "am dritten Mai zweitausendvierundzwanzig"),
    ("de", "am 03.05.85", "am dritten Mai neunzehnhundertfünfundachtzig"),
    ("fr", "le 03/05/24", "le trois mai deux mille vingt-quatre"),
    ("nl", "03-05-24", "drie mei tweeduizendvierentwintig"),
    ("pl", "3 maja 2024 r.", "trzeciego maja dwa tysiące dwudziestego czwartego roku."),
    ("pl", "3 maja 2024 r. był mecz",
     "trzeciego maja dwa tysiące dwudziestego czwartego roku był mecz"),
    ("pl", "w 1989 r.", "w tysiąc dziewięćset osiemdziesiątym dziewiątym roku."),
    ("pl", "w 2024 roku", "w dwa tysiące dwudziestym czwartym roku"),
    ("pl", "od 1990 r. do 2000 roku",
     "od tysiąc dziewięćset dziewięćdziesiątego roku do dwutysięcznego roku"),
    ("pl", "przed 1939 r. mieszkał",
     "przed tysiąc dziewięćset trzydziestym dziewiątym rokiem mieszkał"),
    ("it", "l'1 maggio", "il primo maggio"),
    ("it", "dall'1 all'8 maggio", "dall'uno all'otto maggio"),
    ("it", "Dell'1 giugno e l'11 maggio", "Del primo giugno e l'undici maggio"),
    ("fr", "le 12/05", "le douze mai"),
    ("fr", "du 1/05 au 15/05", "du premier mai au quinze mai"),
    ("es", "el 12/05", "el doce de mayo"),
    ("es", "el lunes 12/05", "el lunes doce de mayo"),
    ("pt", "dia 12/05", "dia doze de maio"),
    ("pt", "segunda-feira, 12/05", "segunda-feira, doze de maio"),
    ("it", "il 12/05", "il dodici maggio"),
    ("nl", "zaterdag 12/05", "zaterdag twaalf mei"),
    ("es", "hasta 3/4 de litro", "hasta tres cuartos de litro"),
]  # fmt: skip
SUMS = [
    ("de", "5 + 3 = 8", "fünf plus drei gleich acht"),
    ("fr", "5 + 3 = 8", "cinq plus trois égale huit"),
    ("es", "5 + 3 = 8", "cinco más tres igual a ocho"),
    ("it", "5 + 3 = 8", "cinque più tre uguale a otto"),
    ("pt", "5 + 3 = 8", "cinco mais três igual a oito"),
    ("nl", "5 + 3 = 8", "vijf plus drie is acht"),
    ("pl", "5 + 3 = 8", "pięć plus trzy równa się osiem"),
    ("de", "8 - 3 = 5 und 6:2=3",
     "acht minus drei gleich fünf und sechs geteilt durch zwei gleich drei"),
    ("de", "3 × 4 m", "drei mal vier Meter"),
    ("fr", "1,5 + 2,5 - 8 = -4",
     "un virgule cinq plus deux virgule cinq moins huit égale moins quatre"),
    ("de", "3/4 + 1/4 = 1", "drei Viertel plus ein Viertel gleich eins"),
    ("de", "Ab 18+, 10-15 km", "Ab achtzehn+, zehn bis fünfzehn Kilometer"),
]  # fmt: skip
ORDINALS = [
    ("de", "Im 19. Jahrhundert lebte er.", "Im neunzehnten Jahrhundert lebte er."),
    ("de", "der 2. Weltkrieg", "der zweite Weltkrieg"),
    ("de", "in der 10. Klasse", "in der zehnten Klasse"),
    ("de", "ein 3. Kind", "ein drittes Kind"),
    ("de", "Jeder 3. Deutsche", "Jeder dritte Deutsche"),
    ("de", "bis 15. zahlen", "bis fünfzehnten zahlen"),
    ("de", "in 2. Auflage", "in zweiter Auflage"),
    ("de", "im 2. und 3. Stock", "im zweiten und dritten Stock"),
    ("de", "vom 1. bis 3. Mai", "vom ersten bis dritten Mai"),
    ("de", "1.-3. Mai", "erster bis dritter Mai"),
    ("de", "vom 24.-26.12. geschlossen",
     "vom vierundzwanzigsten bis sechsundzwanzigsten Dezember geschlossen"),
    ("de", "Am 24.12. ist Weihnachten.", "Am vierundzwanzigsten Dezember ist Weihnachten."),
    ("de", "Wir kommen am 24.12. Dann gehen wir.",
     "Wir kommen am vierundzwanzigsten Dezember. Dann gehen wir."),
    ("de", "Heute ist der 5. Dann kommt der 6. Mai.",
     "Heute ist der fünfte. Dann kommt der sechste Mai."),
    ("pl", "w 19. wieku", "w dziewiętnastym wieku"),
    ("pl", "na początku 20. wieku", "na początku dwudziestego wieku"),
    ("pl", "2. wojna światowa", "druga wojna światowa"),
    ("pl", "podczas 2. wojny", "podczas drugiej wojny"),
    ("pl", "na 3. piętrze", "na trzecim piętrze"),
    ("pl", "zajął 2. miejsce", "zajął drugie miejsce"),
    ("pl", "w latach 80. i 90. XX wieku",
     "w latach osiemdziesiątych i dziewięćdziesiątych dwudziestego wieku"),
]  # fmt: skip
# What looks like one of these and is none.
OTHERS = [
    ("de", "Ich bin 19. Vielleicht gehe ich.", "Ich bin neunzehn. Vielleicht gehe ich."),
    ("de", "Gleis 3. Bitte einsteigen.", "Gleis drei. Bitte einsteigen."),
    ("de", "1. Äpfel schälen", "eins. Äpfel schälen"),
    ("de", "Es sind 24.12 Meter.", "Es sind vierundzwanzig Komma eins zwei Meter."),
    ("de", "3 Bio Äpfel", "drei Bio Äpfel"),
    ("de", "Die Euro 2024", "Die Euro zweitausendvierundzwanzig"),
    ("de", "Covid-19", "Covid-neunzehn"),
    ("de", "5-10 Kinder", "fünf bis zehn Kinder"),
    ("de", "1.234,50 €", "eintausendzweihundertvierunddreißig Euro fünfzig Cent"),
    ("de", "0.123", "null Komma eins zwei drei"),
    ("es", "912 345 678 habitantes",
     "novecientos doce millones trescientos cuarenta y cinco mil seiscientos setenta y ocho "
     "habitantes"),
    ("es", "24/7", "veinticuatro/siete"),
    ("de", "Seite 1/2", "Seite eins/zwei"),
    ("pt", "1939-1945", "mil novecentos e trinta e nove a mil novecentos e quarenta e cinco"),
    ("fr", "en 2024 300 personnes", "en deux mille vingt-quatre trois cents personnes"),
    ("fr", "12 l'an dernier", "douze l'an dernier"),
    ("pl", "Mam 19. Potem", "Mam dziewiętnaście. Potem"),
    ("pl", "3 maja", "trzeciego maja"),
]  # fmt: skip
ALL = GROUPS + AMOUNTS + TIMES + SUMS + ORDINALS + OTHERS


@pytest.mark.parametrize(("lang", "written", "said"), ALL, ids=[f"{c[0]}-{c[1]}" for c in ALL])
def test_said_as_the_language_says_it(lang: str, written: str, said: str) -> None:
    assert normalize(written, lang) == said


@pytest.mark.parametrize("lang", LANGS)
def test_figures_with_any_marks_raise_nothing(lang: str) -> None:
    drawn = random.Random(0)
    marks = [".", ",", ":", "/", "-", "–", " ", "\u00a0", "\u202f", ". ", " - ", "", "½", "²"]
    words = (
        "€ $ R$ zł % °C km m² Uhr Mio. Euro Mai de maja h godz. horas ore uur o om am 0 00".split()
    )
    for _ in range(400):
        text = "".join(
            (
                str(drawn.randint(0, 10 ** drawn.randint(1, drawn.choice([2, 3, 10, 17]))))
                if drawn.random() < 0.75
                else drawn.choice(words)
            )
            + drawn.choice(marks)
            for _ in range(drawn.randint(1, 6))
        )
        normalize(text, lang)
        # No sign of a currency, no unit: dotted figures alone leave none behind.
        dotted = ".".join(str(drawn.randint(0, 9999)) for _ in range(drawn.randint(1, 6)))
        assert not any(c.isdigit() for c in normalize(dotted, lang)), dotted


@pytest.mark.parametrize(
    "text",
    [
        "Im 19. Jahrhundert lebte er.",
        "Am 24.12. Weihnachten zu feiern ist schön.",
        "Es kostet 2,5 Mio. € im Jahr.",
        "Es kostet 5 Mio. Euro.",
    ],
)
def test_ordinals_and_abbreviations_do_not_end_a_sentence(text: str) -> None:
    assert len(Frontend("de")(text)) == 1
    assert [part for part, _ in split_complete([text[:12], text[12:]])] == [text]


@pytest.mark.parametrize(
    ("lang", "text", "first"),
    [
        ("tr", "İSTANBUL GÜZEL", "istanbul"),
        ("az", "ILIQ İSTİ", "ılıq"),
        ("de", "İSTANBUL IST SCHÖN", "istanbul"),
    ],
)
def test_capitals_are_lowered_and_keep_their_places(lang: str, text: str, first: str) -> None:
    (phones,) = Frontend(lang)(text)
    assert phones.words[0][0] == first
    assert [text[a:b] for a, b in phones.spans] == text.split()
