"""Numbers of other languages as they are said."""

import time

import pytest

from tts.text.frontend import Frontend
from tts.text.normalize import normalize

CASES = [
    ("de", "Es kostet 12,50 €.", "Es kostet zwölf Euro fünfzig Cent."),
    ("de", "1 €", "ein Euro"),
    ("de", "21 km", "einundzwanzig Kilometer"),
    ("de", "1 h", "eine Stunde"),
    ("de", "1 Stück", "ein Stück"),
    ("de", "Ich habe 1 Frage und 1 Kind.", "Ich habe eine Frage und ein Kind."),
    ("de", "in 1 Woche", "in einer Woche"),
    ("de", "Gleis 1 Ausgang", "Gleis eins Ausgang"),
    ("de", "3 kg", "drei Kilogramm"),
    ("de", "20 °C", "zwanzig Grad Celsius"),
    ("de", "am 3. Mai 2024", "am dritten Mai zweitausendvierundzwanzig"),
    ("de", "der 3. Mai", "der dritte Mai"),
    ("de", "03.05.2024", "dritter Mai zweitausendvierundzwanzig"),
    ("de", "14:30 Uhr", "vierzehn Uhr dreißig"),
    ("de", "um 8 Uhr", "um acht Uhr"),
    ("de", "1985", "neunzehnhundertfünfundachtzig"),
    ("de", "1.234.567", "eine Million zweihundertvierunddreißigtausendfünfhundertsiebenundsechzig"),
    ("de", "3,14", "drei Komma eins vier"),
    ("de", "10-15 km", "zehn bis fünfzehn Kilometer"),
    ("de", "-5 Grad", "minus fünf Grad"),
    ("de", "50 %", "fünfzig Prozent"),
    ("de", "1,5 l", "eins Komma fünf Liter"),
    ("de", "100 km/h", "einhundert Kilometer pro Stunde"),
    ("de", "007", "null null sieben"),
    ("de", "Im Jahr 2024", "Im Jahr zweitausendvierundzwanzig"),
    ("de", "1 Uhr", "ein Uhr"),
    ("fr", "Ça coûte 12,50 €.", "Ça coûte douze euros et cinquante centimes."),
    ("fr", "1 €", "un euro"),
    ("fr", "21 km", "vingt et un kilomètres"),
    ("fr", "le 1er mai 2024", "le premier mai deux mille vingt-quatre"),
    ("fr", "le 3 mai", "le trois mai"),
    ("fr", "03/05/2024", "trois mai deux mille vingt-quatre"),
    ("fr", "14h30", "quatorze heures trente"),
    ("fr", "14:30", "quatorze heures trente"),
    ("fr", "8 heures", "huit heures"),
    ("fr", "1985", "mille neuf cent quatre-vingt-cinq"),
    ("fr", "1 234 567", "un million deux cent trente-quatre mille cinq cent soixante-sept"),
    ("fr", "3,14", "trois virgule quatorze"),
    ("fr", "2e étage", "deuxième étage"),
    ("fr", "1re fois", "première fois"),
    ("fr", "1 fois", "une fois"),
    ("fr", "21 personnes", "vingt et une personnes"),
    ("fr", "1 situation et 1 homme", "une situation et un homme"),
    ("fr", "10-15 km", "dix à quinze kilomètres"),
    ("fr", "50 %", "cinquante pour cent"),
    ("fr", "20 °C", "vingt degrés Celsius"),
    ("fr", "5 £", "cinq livres"),
    ("es", "Cuesta 12,50 €.", "Cuesta doce euros con cincuenta céntimos."),
    ("es", "1 €", "un euro"),
    ("es", "21 km", "veintiún kilómetros"),
    ("es", "el 3 de mayo de 2024", "el tres de mayo de dos mil veinticuatro"),
    ("es", "03/05/2024", "tres de mayo de dos mil veinticuatro"),
    ("es", "14:30", "catorce treinta"),
    ("es", "1985", "mil novecientos ochenta y cinco"),
    ("es", "1.234.567", "un millón doscientos treinta y cuatro mil quinientos sesenta y siete"),
    ("es", "3,14", "tres coma catorce"),
    ("es", "1º", "primero"),
    ("es", "1 persona", "una persona"),
    ("es", "1 libro", "un libro"),
    ("es", "21 años", "veintiún años"),
    ("es", "21.000 personas", "veintiún mil personas"),
    ("es", "200 personas", "doscientas personas"),
    ("es", "500 veces", "quinientas veces"),
    ("es", "31 días", "treinta y un días"),
    ("es", "Capítulo 1 trata de 21 para todos.", "Capítulo uno trata de veintiuno para todos."),
    ("es", "2ª planta", "segunda planta"),
    ("es", "10-15 km", "diez a quince kilómetros"),
    ("es", "50 %", "cincuenta por ciento"),
    ("es", "20 °C", "veinte grados Celsius"),
    ("es", "21 £", "veintiuna libras"),
    ("it", "Costa 12,50 €.", "Costa dodici euro e cinquanta centesimi."),
    ("it", "1 €", "un euro"),
    ("it", "21 km", "ventuno chilometri"),
    ("it", "il 3 maggio 2024", "il tre maggio duemilaventiquattro"),
    ("it", "1º maggio", "primo maggio"),
    ("it", "03/05/2024", "tre maggio duemilaventiquattro"),
    ("it", "14:30", "quattordici e trenta"),
    ("it", "1985", "millenovecentottantacinque"),
    ("it", "1.234.567", "un milione e duecentotrentaquattromilacinquecentosessantasette"),
    ("it", "3,14", "tre virgola quattordici"),
    ("it", "2ª", "seconda"),
    ("it", "1 persona", "una persona"),
    ("it", "1 amica e 1 libro", "un'amica e un libro"),
    ("it", "1 studente", "uno studente"),
    ("it", "1 problema", "un problema"),
    ("it", "10-15 km", "dieci a quindici chilometri"),
    ("it", "50 %", "cinquanta per cento"),
    ("pt", "Custa 12,50 €.", "Custa doze euros e cinquenta cêntimos."),
    ("pt", "1 €", "um euro"),
    ("pt", "21 km", "vinte e um quilômetros"),
    ("pt", "3 de maio de 2024", "três de maio de dois mil e vinte e quatro"),
    ("pt", "1º de maio", "primeiro de maio"),
    ("pt", "03/05/2024", "três de maio de dois mil e vinte e quatro"),
    ("pt", "14h30", "catorze horas e trinta"),
    ("pt", "2h15", "duas horas e quinze"),
    ("pt", "1985", "mil novecentos e oitenta e cinco"),
    ("pt", "1.234.567", "um milhão duzentos e trinta e quatro mil quinhentos e sessenta e sete"),
    ("pt", "3,14", "três vírgula catorze"),
    ("pt", "2ª", "segunda"),
    ("pt", "2 casas", "duas casas"),
    ("pt", "22 viagens", "vinte e duas viagens"),
    ("pt", "2 dias", "dois dias"),
    ("pt", "1 mão e 2 meninos", "uma mão e dois meninos"),
    ("pt", "16, 17, 19", "dezasseis, dezassete, dezanove"),
    ("pt-br", "16, 17, 19", "dezesseis, dezessete, dezenove"),
    ("pt-br", "1985", "mil novecentos e oitenta e cinco"),
    ("pt-br", "116 pessoas", "cento e dezesseis pessoas"),
    ("pt", "10-15 km", "dez a quinze quilômetros"),
    ("pt", "50 %", "cinquenta por cento"),
    ("nl", "Het kost € 12,50.", "Het kost twaalf euro en vijftig cent."),
    ("nl", "1 €", "één euro"),
    ("nl", "21 km", "eenentwintig kilometer"),
    ("nl", "3 mei 2024", "drie mei tweeduizendvierentwintig"),
    ("nl", "03-05-2024", "drie mei tweeduizendvierentwintig"),
    ("nl", "14:30 uur", "veertien uur dertig"),
    ("nl", "1985", "negentien honderd vijfentachtig"),
    ("nl", "1.234.567", "een miljoen tweehonderdvierendertigduizendvijfhonderdzevenenzestig"),
    ("nl", "3,14", "drie komma veertien"),
    ("nl", "2e", "tweede"),
    ("nl", "1ste", "eerste"),
    ("nl", "10-15 km", "tien tot vijftien kilometer"),
    ("nl", "50 %", "vijftig procent"),
    ("pl", "Kosztuje 12,50 zł.", "Kosztuje dwanaście złotych pięćdziesiąt groszy."),
    ("pl", "1 €", "jedno euro"),
    ("pl", "2 osoby", "dwie osoby"),
    ("pl", "22 książki", "dwadzieścia dwie książki"),
    ("pl", "1 osobę i 1 dziecko", "jedną osobę i jedno dziecko"),
    ("pl", "2 domy", "dwa domy"),
    ("pl", "12 osób", "dwanaście osób"),
    ("pl", "2 km", "dwa kilometry"),
    ("pl", "5 km", "pięć kilometrów"),
    ("pl", "22 km", "dwadzieścia dwa kilometry"),
    ("pl", "12 km", "dwanaście kilometrów"),
    ("pl", "3 maja 2024", "trzeciego maja dwa tysiące dwudziestego czwartego roku"),
    ("pl", "03.05.2024", "trzeciego maja dwa tysiące dwudziestego czwartego roku"),
    ("pl", "14:30", "czternasta trzydzieści"),
    ("pl", "1985", "tysiąc dziewięćset osiemdziesiąt pięć"),
    ("pl", "1 234 567", "milion dwieście trzydzieści cztery tysiące pięćset sześćdziesiąt siedem"),
    ("pl", "3,14", "trzy przecinek czternaście"),
    ("pl", "10-15 km", "od dziesięciu do piętnastu kilometrów"),
    ("pl", "od 5 do 10 zł", "od pięciu do dziesięciu złotych"),
    ("pl", "od 2–3 kg", "od dwóch do trzech kilogramów"),
    ("pl", "około 21 km", "około dwudziestu jeden kilometrów"),
    ("pl", "do 1 km", "do jednego kilometra"),
    ("pl", "Do 200 osób.", "Do dwustu osób."),
    ("pl", "dla 4 osób", "dla czterech osób"),
    ("pl", "bez 1,5 l", "bez jeden przecinek pięć litra"),
    ("pl", "ponad 5 km", "ponad pięć kilometrów"),
    ("pl", "2:00", "druga"),
    ("pl", "3:15", "trzecia piętnaście"),
    ("pl", "50 %", "pięćdziesiąt procent"),
    ("pl", "1,5 l", "jeden przecinek pięć litra"),
]


@pytest.mark.parametrize(("lang", "written", "said"), CASES, ids=[f"{c[0]}-{c[1]}" for c in CASES])
def test_said_as_the_language_says_it(lang: str, written: str, said: str) -> None:
    assert normalize(written, lang) == said


@pytest.mark.parametrize("lang", ["de", "fr-fr", "es-419", "it", "pt-br", "nl", "pl"])
def test_nothing_is_left_in_figures_and_words_keep_their_places(lang: str) -> None:
    text = "A 12,50 € b 3.4.2024 c 10:30 d 7 km e 1.234.567 f 99999999999999999999 g."
    assert not any(c.isdigit() for c in normalize(text, lang))
    phones = Frontend(lang).one(text)
    spans = [text[a:b] for a, b in phones.spans]
    assert spans[0] == "A" and spans[-1] == "g"
    assert any("12,50" in span for span in spans)


@pytest.mark.parametrize("unit", ["1", "1.", "1,", "1-", "1 ", "1 €", "€", "1:", "1/", "1º"])
def test_linear(unit: str) -> None:
    for lang in ("de", "es"):
        normalize("1", lang)
        start = time.process_time()
        normalize((unit * 4096)[:4096], lang)
        # At most 0.3 s where this was written; the bound leaves room for a busy machine.
        assert time.process_time() - start < 3


def test_words_of_other_scripts_are_said_in_their_language() -> None:
    english = Frontend("en-us")
    for word, lang in (("привет", "ru"), ("你好", "cmn"), ("안녕", "ko"), ("λόγος", "el")):
        phones = english.one(f"He said {word} to me.")
        alone = Frontend(lang).one(word)
        _, first, last = phones.words[2]
        assert phones.ids[first:last] == [i for i in alone.ids[1:-1]]
        assert [word for word, _, _ in phones.words] == ["He", "said", word, "to", "me"]


def test_a_script_that_espeak_cannot_say_is_left_out_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="TIBETAN"):
        phones = Frontend("en-us").one("He said བོད to me.")
    assert [word for word, _, _ in phones.words] == ["He", "said", "to", "me"]
