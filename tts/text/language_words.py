"""Word tables of text normalization for German, French, Spanish, Italian, Portuguese, Dutch and
Polish: months, units, currencies and the words of times and ranges.
"""

from dataclasses import dataclass, field

__all__ = ["LANGUAGES", "Money", "Words"]

_Forms = tuple[str, ...]


@dataclass(frozen=True)
class Money:
    """Currency.

    Attributes:
        forms: the singular and the plural; in Polish after 1, after 2 to 4, after 5 and more, and
            the genitive singular where it is another.
        cents: the same of its hundredth.
        gender, cent_gender: "m", "f" or "n".
    """

    forms: _Forms
    cents: _Forms
    gender: str = "m"
    cent_gender: str = "m"


@dataclass(frozen=True)
class Words:
    """Words of one language that are said with numbers.

    Attributes:
        months: names of the months as in dates.
        comma: word of the decimal separator.
        to: word between the ends of a range.
        minus, plus: words of the signs; `plus` is also that of "&".
        oclock: word between hours and minutes.
        clock: pattern of what may follow a time of day.
        money: currencies by their code.
        units: forms and gender of each unit by its symbol, with forms as in `Money`.
        oclock_one: `oclock` after the first hour.
        minutes: text before the minutes of a time.
        of: text before the month and the year of a date.
        first: word of the first day of a month, where it is an ordinal.
        hour_gender: gender of the number of hours.
        cent_join: word between a currency and its hundredth.
        forms: by gender, pairs of a pattern and a replacement that inflect a number before a noun.
        ordinals: pattern of written ordinals, with the number and the suffix as groups.
        dot: word of a dot between the groups of versions and addresses.
        at: pattern of words before a time that is written with a dot.
    """

    months: _Forms
    comma: str
    to: str
    minus: str
    plus: str
    oclock: str
    clock: str
    money: dict[str, Money]
    units: dict[str, tuple[_Forms, str]]
    oclock_one: str = ""
    minutes: str = ""
    of: str = ""
    first: str = ""
    hour_gender: str = ""
    cent_join: str = ""
    forms: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    ordinals: str = ""
    dot: str = ""
    at: str = ""


def _units(table: str) -> dict[str, tuple[_Forms, str]]:
    """Parse a table of units: "km m Kilometer/Kilometer; ..."."""
    out: dict[str, tuple[_Forms, str]] = {}
    for entry in table.strip().split(";"):
        short, gender, forms = entry.strip().split(" ", 2)
        out[short] = (tuple(forms.split("/")), gender)
    return out


def _months(names: str) -> _Forms:
    return tuple(names.split())


_SPANISH = r"(?<![\w.,])(\d{1,3})\.?([ºªo])(?!\w)"
LANGUAGES: dict[str, Words] = {
    "de": Words(
        _months("Januar Februar März April Mai Juni Juli August September Oktober November "
                "Dezember"),
        "Komma", "bis", "minus", "und", "Uhr", "Uhr",
        {
            "EUR": Money(("Euro", "Euro"), ("Cent", "Cent")),
            "USD": Money(("Dollar", "Dollar"), ("Cent", "Cent")),
            "GBP": Money(("Pfund", "Pfund"), ("Penny", "Pence")),
            "PLN": Money(("Zloty", "Zloty"), ("Groschen", "Groschen")),
            "BRL": Money(("Real", "Real"), ("Centavo", "Centavos")),
        },
        _units(
            "km m Kilometer/Kilometer;m m Meter/Meter;cm m Zentimeter/Zentimeter;"
            "mm m Millimeter/Millimeter;kg n Kilogramm/Kilogramm;g n Gramm/Gramm;"
            "mg n Milligramm/Milligramm;l m Liter/Liter;ml m Milliliter/Milliliter;"
            "°C m Grad Celsius/Grad Celsius;° m Grad/Grad;% n Prozent/Prozent;"
            "km/h m Kilometer pro Stunde/Kilometer pro Stunde;h f Stunde/Stunden;"
            "min f Minute/Minuten;GB n Gigabyte/Gigabyte;"
            "m^2 m Quadratmeter/Quadratmeter;MB n Megabyte/Megabyte;W n Watt/Watt;"
            "km^2 m Quadratkilometer/Quadratkilometer;"
            "cm^2 m Quadratzentimeter/Quadratzentimeter;m^3 m Kubikmeter/Kubikmeter;"
            "cm^3 m Kubikzentimeter/Kubikzentimeter"
        ),
        oclock_one="Uhr", hour_gender="m",
        forms={"m": (("eins", "ein"),), "n": (("eins", "ein"),), "f": (("^eins", "eine"),)},
        dot="Punkt", at="um|gegen",
    ),
    "fr": Words(
        _months("janvier février mars avril mai juin juillet août septembre octobre novembre "
                "décembre"),
        "virgule", "à", "moins", "et", "heures", "heures?|h",
        {
            "EUR": Money(("euro", "euros"), ("centime", "centimes")),
            "USD": Money(("dollar", "dollars"), ("cent", "cents")),
            "GBP": Money(("livre", "livres"), ("penny", "pence"), "f"),
            "PLN": Money(("zloty", "zlotys"), ("grosz", "grosz")),
            "BRL": Money(("réal", "réaux"), ("centavo", "centavos")),
        },
        _units(
            "km m kilomètre/kilomètres;m m mètre/mètres;cm m centimètre/centimètres;"
            "mm m millimètre/millimètres;kg m kilogramme/kilogrammes;g m gramme/grammes;"
            "mg m milligramme/milligrammes;l m litre/litres;ml m millilitre/millilitres;"
            "°C m degré Celsius/degrés Celsius;° m degré/degrés;% m pour cent/pour cent;"
            "km/h m kilomètre par heure/kilomètres par heure;min f minute/minutes;"
            "m^2 m mètre carré/mètres carrés;Go m gigaoctet/gigaoctets;Mo m mégaoctet/mégaoctets;"
            "W m watt/watts;"
            "km^2 m kilomètre carré/kilomètres carrés;"
            "cm^2 m centimètre carré/centimètres carrés;m^3 m mètre cube/mètres cubes;"
            "cm^3 m centimètre cube/centimètres cubes;h f heure/heures;heure f heure/heures;"
            "heures f heure/heures"
        ),
        oclock_one="heure", first="premier", hour_gender="f", cent_join="et",
        forms={"f": (("un", "une"),)},
        ordinals=r"(?<![\w.,])(\d{1,3})(ère|ème|er|re|e)\b",
        dot="point",
    ),
    "es": Words(
        _months("enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre "
                "diciembre"),
        "coma", "a", "menos", "y", "", "horas|h",
        {
            "EUR": Money(("euro", "euros"), ("céntimo", "céntimos")),
            "USD": Money(("dólar", "dólares"), ("centavo", "centavos")),
            "GBP": Money(("libra", "libras"), ("penique", "peniques"), "f"),
            "PLN": Money(("zloty", "zlotys"), ("grosz", "groszy")),
            "BRL": Money(("real", "reales"), ("centavo", "centavos")),
        },
        _units(
            "km m kilómetro/kilómetros;m m metro/metros;cm m centímetro/centímetros;"
            "mm m milímetro/milímetros;kg m kilogramo/kilogramos;g m gramo/gramos;"
            "mg m miligramo/miligramos;l m litro/litros;ml m mililitro/mililitros;"
            "°C m grado Celsius/grados Celsius;° m grado/grados;% m por ciento/por ciento;"
            "km/h m kilómetro por hora/kilómetros por hora;min m minuto/minutos;"
            "m^2 m metro cuadrado/metros cuadrados;GB m gigabyte/gigabytes;W m vatio/vatios;"
            "km^2 m kilómetro cuadrado/kilómetros cuadrados;"
            "cm^2 m centímetro cuadrado/centímetros cuadrados;"
            "m^3 m metro cúbico/metros cúbicos;cm^3 m centímetro cúbico/centímetros cúbicos;"
            "h f hora/horas;hora f hora/horas;horas f hora/horas"
        ),
        of="de ", hour_gender="f", cent_join="con",
        forms={"m": (("veintiuno", "veintiún"), ("uno", "un")),
               "f": (("uno", "una"), (r"(?<=ient)os\b(?!.* mill)(.*)", r"as\1"))},
        ordinals=_SPANISH,
        dot="punto", at="las",
    ),
    "it": Words(
        _months("gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre "
                "novembre dicembre"),
        "virgola", "a", "meno", "e", "", "ore|h",
        {
            "EUR": Money(("euro", "euro"), ("centesimo", "centesimi")),
            "USD": Money(("dollaro", "dollari"), ("centesimo", "centesimi")),
            "GBP": Money(("sterlina", "sterline"), ("penny", "pence"), "f"),
            "PLN": Money(("zloty", "zloty"), ("grosz", "grosz")),
            "BRL": Money(("real", "real"), ("centavo", "centavos")),
        },
        _units(
            "km m chilometro/chilometri;m m metro/metri;cm m centimetro/centimetri;"
            "mm m millimetro/millimetri;kg m chilogrammo/chilogrammi;g m grammo/grammi;"
            "mg m milligrammo/milligrammi;l m litro/litri;ml m millilitro/millilitri;"
            "°C m grado Celsius/gradi Celsius;° m grado/gradi;% m per cento/per cento;"
            "km/h m chilometro all'ora/chilometri all'ora;min m minuto/minuti;"
            "m^2 m metro quadrato/metri quadrati;GB m gigabyte/gigabyte;W m watt/watt;"
            "km^2 m chilometro quadrato/chilometri quadrati;"
            "cm^2 m centimetro quadrato/centimetri quadrati;m^3 m metro cubo/metri cubi;"
            "cm^3 m centimetro cubo/centimetri cubi;h f ora/ore;ora f ora/ore;ore f ora/ore"
        ),
        minutes="e ", first="primo", hour_gender="", cent_join="e",
        forms={"m": (("^uno", "un"),), "f": (("^uno", "una"),)},
        ordinals=_SPANISH,
        dot="punto", at="alle|dalle|delle|ore|le",
    ),
    "pt": Words(
        _months("janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro "
                "dezembro"),
        "vírgula", "a", "menos", "e", "horas", "horas?|h",
        {
            "EUR": Money(("euro", "euros"), ("cêntimo", "cêntimos")),
            "USD": Money(("dólar", "dólares"), ("centavo", "centavos")),
            "GBP": Money(("libra", "libras"), ("pêni", "pence"), "f"),
            "PLN": Money(("zloty", "zlotys"), ("grosz", "groszy")),
            "BRL": Money(("real", "reais"), ("centavo", "centavos")),
        },
        _units(
            "km m quilômetro/quilômetros;m m metro/metros;cm m centímetro/centímetros;"
            "mm m milímetro/milímetros;kg m quilograma/quilogramas;g m grama/gramas;"
            "mg m miligrama/miligramas;l m litro/litros;ml m mililitro/mililitros;"
            "°C m grau Celsius/graus Celsius;° m grau/graus;% m por cento/por cento;"
            "km/h m quilômetro por hora/quilômetros por hora;min m minuto/minutos;"
            "m^2 m metro quadrado/metros quadrados;GB m gigabyte/gigabytes;W m watt/watts;"
            "km^2 m quilômetro quadrado/quilômetros quadrados;"
            "cm^2 m centímetro quadrado/centímetros quadrados;"
            "m^3 m metro cúbico/metros cúbicos;cm^3 m centímetro cúbico/centímetros cúbicos;"
            "h f hora/horas;hora f hora/horas;horas f hora/horas"
        ),
        oclock_one="hora", minutes="e ", of="de ", first="primeiro", hour_gender="f",
        cent_join="e",
        forms={"f": (("um", "uma"), ("dois", "duas"), (r"(?<=ent)os\b(?!.* milh)(.*)", r"as\1"))},
        ordinals=_SPANISH,
        dot="ponto", at="às|das",
    ),
    "nl": Words(
        _months("januari februari maart april mei juni juli augustus september oktober november "
                "december"),
        "komma", "tot", "min", "en", "uur", "uur|u",
        {
            "EUR": Money(("euro", "euro"), ("cent", "cent")),
            "USD": Money(("dollar", "dollar"), ("cent", "cent")),
            "GBP": Money(("pond", "pond"), ("penny", "pence")),
            "PLN": Money(("zloty", "zloty"), ("grosz", "groszy")),
            "BRL": Money(("real", "real"), ("centavo", "centavos")),
        },
        _units(
            "km m kilometer/kilometer;m m meter/meter;cm m centimeter/centimeter;"
            "mm m millimeter/millimeter;kg m kilo/kilo;g m gram/gram;mg m milligram/milligram;"
            "l m liter/liter;ml m milliliter/milliliter;°C m graden Celsius/graden Celsius;"
            "° m graad/graden;% m procent/procent;km/h m kilometer per uur/kilometer per uur;"
            "min m minuut/minuten;m^2 m vierkante meter/vierkante meter;"
            "GB m gigabyte/gigabyte;W m watt/watt;"
            "km^2 m vierkante kilometer/vierkante kilometer;"
            "cm^2 m vierkante centimeter/vierkante centimeter;"
            "m^3 m kubieke meter/kubieke meter;cm^3 m kubieke centimeter/kubieke centimeter;"
            "u m uur/uur;h m uur/uur"
        ),
        oclock_one="uur", cent_join="en",
        ordinals=r"(?<![\w.,])(\d{1,3})(ste|de|e)\b",
        dot="punt", at="om|vanaf",
    ),
    "pl": Words(
        _months("stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października "
                "listopada grudnia"),
        "przecinek", "do", "minus", "i", "", "(?!)",
        {
            "EUR": Money(("euro", "euro", "euro"), ("cent", "centy", "centów"), "n"),
            "USD": Money(("dolar", "dolary", "dolarów", "dolara"), ("cent", "centy", "centów")),
            "GBP": Money(("funt", "funty", "funtów", "funta"), ("pens", "pensy", "pensów")),
            "BRL": Money(("real", "reale", "reali", "reala"), ("centavo", "centavo", "centavo")),
            "PLN": Money(("złoty", "złote", "złotych", "złotego"), ("grosz", "grosze", "groszy")),
        },
        _units(
            "km m kilometr/kilometry/kilometrów/kilometra;m m metr/metry/metrów/metra;"
            "cm m centymetr/centymetry/centymetrów/centymetra;"
            "mm m milimetr/milimetry/milimetrów/milimetra;"
            "kg m kilogram/kilogramy/kilogramów/kilograma;g m gram/gramy/gramów/grama;"
            "l m litr/litry/litrów/litra;ml m mililitr/mililitry/mililitrów/mililitra;"
            "°C m stopień Celsjusza/stopnie Celsjusza/stopni Celsjusza/stopnia Celsjusza;"
            "° m stopień/stopnie/stopni/stopnia;% m procent/procent/procent/procent;"
            "km/h m kilometr na godzinę/kilometry na godzinę/kilometrów na godzinę/"
            "kilometra na godzinę;min f minuta/minuty/minut/minuty;"
            "m^2 m metr kwadratowy/metry kwadratowe/metrów kwadratowych/metra kwadratowego;"
            "km^2 m kilometr kwadratowy/kilometry kwadratowe/kilometrów kwadratowych/"
            "kilometra kwadratowego;"
            "cm^2 m centymetr kwadratowy/centymetry kwadratowe/centymetrów kwadratowych/"
            "centymetra kwadratowego;"
            "m^3 m metr sześcienny/metry sześcienne/metrów sześciennych/metra sześciennego;"
            "cm^3 m centymetr sześcienny/centymetry sześcienne/centymetrów sześciennych/"
            "centymetra sześciennego;"
            "h f godzina/godziny/godzin/godziny;godz f godzina/godziny/godzin/godziny;"
            "godzina f godzina/godziny/godzin/godziny;"
            "godziny f godzina/godziny/godzin/godziny;godzin f godzina/godziny/godzin/godziny"
        ),
        cent_join="",
        forms={"f": (("jeden", "jedna"), ("dwa", "dwie")), "n": (("^jeden", "jedno"),)},
        dot="kropka",
    ),
}  # fmt: skip
