"""Word tables of the English normalisation."""

__all__ = [
    "ABBREVIATIONS", "ADDRESS", "CURRENCIES", "LATIN", "MONTHS", "REGNAL", "SCALES", "SPELLED",
    "STARTERS", "STATES", "STATE_NAMES", "STREETS", "WEEKDAYS",
    "SYMBOLS", "TITLES", "UNCOUNTED", "UNITS", "WORDS",
]  # fmt: skip

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip

WEEKDAYS = (
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
)  # fmt: skip

STREETS = {
    "Blvd": "boulevard", "Ave": "avenue", "Rd": "road", "Hwy": "highway", "Ln": "lane",
    "Pkwy": "parkway", "Sq": "square",
}  # fmt: skip

#: states whose code stands before a ZIP code
STATE_NAMES = {
    "AZ": "Arizona", "CA": "California", "CO": "Colorado", "FL": "Florida", "GA": "Georgia",
    "IL": "Illinois", "MA": "Massachusetts", "MI": "Michigan", "MN": "Minnesota",
    "NC": "North Carolina", "NJ": "New Jersey", "NV": "Nevada", "NY": "New York", "OH": "Ohio",
    "OR": "Oregon", "PA": "Pennsylvania", "TN": "Tennessee", "TX": "Texas", "VA": "Virginia",
    "WA": "Washington", "WI": "Wisconsin",
}  # fmt: skip
STATES = "|".join(STATE_NAMES)

SCALES = {
    "k": "thousand", "K": "thousand", "m": "million", "M": "million", "mn": "million",
    "b": "billion", "B": "billion", "bn": "billion", "tn": "trillion",
}  # fmt: skip

#: one, many, one hundredth, many hundredths
CURRENCIES = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "US$": ("U S dollar", "U S dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
    "¥": ("yen", "yen", "", ""),
    "₹": ("rupee", "rupees", "paisa", "paise"),
    "₽": ("ruble", "rubles", "kopeck", "kopecks"),
    "₩": ("won", "won", "", ""),
    "USD": ("U S dollar", "U S dollars", "cent", "cents"),
    "EUR": ("euro", "euros", "cent", "cents"),
    "GBP": ("pound", "pounds", "penny", "pence"),
    "JPY": ("yen", "yen", "", ""),
    "CHF": ("Swiss franc", "Swiss francs", "", ""),
    "A$": ("Australian dollar", "Australian dollars", "cent", "cents"),
    "AU$": ("Australian dollar", "Australian dollars", "cent", "cents"),
    "C$": ("Canadian dollar", "Canadian dollars", "cent", "cents"),
    "CA$": ("Canadian dollar", "Canadian dollars", "cent", "cents"),
    "NZ$": ("New Zealand dollar", "New Zealand dollars", "cent", "cents"),
    "HK$": ("Hong Kong dollar", "Hong Kong dollars", "cent", "cents"),
    "S$": ("Singapore dollar", "Singapore dollars", "cent", "cents"),
    "R$": ("Brazilian real", "Brazilian reais", "centavo", "centavos"),
    "AUD": ("Australian dollar", "Australian dollars", "cent", "cents"),
    "CAD": ("Canadian dollar", "Canadian dollars", "cent", "cents"),
    "NZD": ("New Zealand dollar", "New Zealand dollars", "cent", "cents"),
    "CNY": ("yuan", "yuan", "", ""),
    "INR": ("rupee", "rupees", "paisa", "paise"),
    "SEK": ("Swedish krona", "Swedish kronor", "", ""),
    "NOK": ("Norwegian krone", "Norwegian kroner", "", ""),
    "DKK": ("Danish krone", "Danish kroner", "", ""),
    "PLN": ("zloty", "zlotys", "", ""),
    "zł": ("zloty", "zlotys", "", ""),
    "₺": ("lira", "lira", "", ""),
    "₴": ("hryvnia", "hryvnias", "", ""),
    "₪": ("shekel", "shekels", "", ""),
    "฿": ("baht", "baht", "", ""),
    "₿": ("bitcoin", "bitcoins", "", ""),
    "¢": ("cent", "cents", "", ""),
}

UNITS = {
    "%": "percent", "‰": "per mille", "°": "degree", "°C": "degree Celsius",
    "°F": "degree Fahrenheit", "° C": "degree Celsius", "° F": "degree Fahrenheit",
    "km": "kilometer", "m": "meter", "cm": "centimeter", "mm": "millimeter", "μm": "micrometer",
    "nm": "nanometer", "mi": "mile", "ft": "foot", "yd": "yard", "km^2": "square kilometer",
    "m^2": "square meter", "cm^2": "square centimeter", "m^3": "cubic meter",
    "cm^3": "cubic centimeter", "km/h": "kilometer per hour", "kph": "kilometer per hour",
    "mph": "mile per hour", "m/s": "meter per second", "m/s^2": "meter per second squared",
    "kg": "kilogram", "g": "gram", "mg": "milligram", "μg": "microgram", "lb": "pound",
    "lbs": "pound", "oz": "ounce", "l": "liter", "L": "liter", "ml": "milliliter",
    "mL": "milliliter", "s": "second", "ms": "millisecond", "μs": "microsecond",
    "ns": "nanosecond", "sec": "second", "min": "minute", "h": "hour", "hr": "hour",
    "hrs": "hour", "Hz": "hertz", "kHz": "kilohertz", "MHz": "megahertz", "GHz": "gigahertz",
    "KB": "kilobyte", "kB": "kilobyte", "MB": "megabyte", "GB": "gigabyte", "TB": "terabyte",
    "kbit/s": "kilobit per second", "Mbps": "megabit per second", "Gbps": "gigabit per second",
    "W": "watt", "kW": "kilowatt", "MW": "megawatt", "GW": "gigawatt", "kWh": "kilowatt hour",
    "V": "volt", "mV": "millivolt", "kV": "kilovolt", "mA": "milliampere", "mAh":
    "milliampere hour", "Ω": "ohm", "kΩ": "kiloohm", "J": "joule", "kJ": "kilojoule",
    "kcal": "kilocalorie", "Pa": "pascal", "kPa": "kilopascal", "hPa": "hectopascal",
    "dB": "decibel", "px": "pixel", "ha": "hectare", "kgs": "kilogram", "kms": "kilometer",
    "mins": "minute", "secs": "second", "psi": "pound per square inch",
    "PSI": "pound per square inch", "rpm": "revolution per minute", "fps": "frame per second",
    "kmh": "kilometer per hour", "km/hr": "kilometer per hour", "°K": "degree Kelvin",
    "ppm": "part per million", "Gb": "gigabit", "Mb": "megabit", "kb": "kilobit",
    "bpm": "beat per minute", "mpg": "mile per gallon", "sq ft": "square foot",
    "Wh": "watt hour", "cl": "centiliter", "dl": "deciliter", "kN": "kilonewton", "N": "newton",
    "atm": "atmosphere", "gal": "gallon", "mol": "mole", "cal": "calorie",
}  # fmt: skip
UNCOUNTED = frozenset({"percent", "per mille", "hertz", "kilohertz", "megahertz", "gigahertz"})

#: lower-case letters with dots
LATIN = {"eg": "for example", "ie": "that is", "am": "A M", "pm": "P M"}

#: written with a dot
ABBREVIATIONS = {
    "mr": "mister", "mrs": "missus", "ms": "miz", "messrs": "messers", "prof": "professor",
    "rev": "reverend", "hon": "honorable", "gen": "general", "col": "colonel",
    "capt": "captain", "lt": "lieutenant", "sgt": "sergeant", "cmdr": "commander",
    "gov": "governor", "sen": "senator", "rep": "representative", "pres": "president",
    "jr": "junior", "sr": "senior", "etc": "et cetera", "vs": "versus", "approx": "approximately",
    "dept": "department", "est": "established", "inc": "incorporated", "ltd": "limited",
    "corp": "corporation", "co": "company", "bros": "brothers", "ave": "avenue",
    "blvd": "boulevard", "rd": "road", "mt": "mount", "ft": "fort", "fig": "figure",
    "vol": "volume", "ch": "chapter", "pp": "pages", "ed": "edition", "jan": "January",
    "feb": "February", "aug": "August", "sept": "September", "oct": "October",
    "nov": "November", "dec": "December", "cf": "compare", "al": "al", "univ": "university",
    "tel": "telephone", "ext": "extension", "min": "minutes", "max": "maximum", "misc":
    "miscellaneous", "assn": "association", "hwy": "highway",
    "ln": "lane", "pkwy": "parkway", "govt": "government", "mfg": "manufacturing",
}  # fmt: skip
#: always followed by a name, so their dot never ends a sentence
TITLES = frozenset(
    "mr mrs ms messrs prof rev hon gen col capt lt sgt cmdr gov sen rep pres mt ft fig vol ch pp "
    "cf approx vs co dept est ext".split()
)

REGNAL = frozenset(
    "Henry Louis Charles George Edward William James Richard Elizabeth Mary John Paul Pius "
    "Benedict Gregory Leo Innocent Clement Alexander Nicholas Peter Catherine Frederick Wilhelm "
    "Friedrich Philip Ferdinand Francis Napoleon Ivan Joseph Leopold Otto Ramses Ramesses "
    "Ptolemy Gustav Christian Carl Haakon Harald Umberto Victor Emmanuel Stephen Urban Julius "
    "Sixtus Alfonso Juan Margaret Rudolf Rudolph Maximilian Constantine Darius Xerxes".split()
)

#: spelled although they look like words
SPELLED = frozenset(
    "USA CIA UAE EPA IOU API CEO CFO CTO IDE AOL IRA ISO IPO EKG ETA ASAP FAQ URL USB GUI IQ AI EU "
    "UK US UN UV IT ID IP IV TV PC PR DJ DIY HIV OECD IEEE NCAA NAACP IMF IATA AIG UFO IKEA "
    "AMA ABA ACLU OCD ADHD".split()
) - {"ASAP", "IKEA", "IT", "IATA"}
#: read as words in capitals; the short ones are ordinary words in emphasis
WORDS = frozenset(
    "NASA NATO UNESCO UNICEF OPEC LASER RADAR SCUBA AIDS SWAT FEMA NAFTA OSHA PIN RAM ROM SIM GIF "
    "JPEG COVID IKEA LEGO ASAP FIFA UEFA YOLO ZIP SAT ACT NOT NO YES AND THE BUT FOR YOU ARE WAS "
    "HAS HAD HIS HER HIM SHE WE HE IT IS IN ON AT TO OF OR SO DO GO IF BY MY ME AM AN AS UP BE OH "
    "HI ALL ANY CAN DID GET GOT HOW LET MAY NEW NOW OFF OLD ONE OUR OUT OWN PUT SAY SEE TOO TRY "
    "TWO USE WAY WHO WHY BAD BIG END RUN STOP WHAT WHEN THIS THAT WITH FROM MUST HELP DON LLC"
    " WORD TEXT".split()
) - {"LLC", "DON"}

ADDRESS = {
    "://": "", "@": "at", ".": "dot", "/": "slash", "-": "dash", "_": "underscore",
    "?": "question mark", "&": "and", "=": "equals", "#": "hash", "%": "percent", "+": "plus",
    "~": "tilde", ":": "colon",
}  # fmt: skip

SYMBOLS = {
    "+": "plus", "×": "times", "÷": "divided by", "=": "equals", "&": "and", "@": "at",
    "%": "percent", "§": "section", "°": "degrees", "<": "less than", ">": "greater than",
    "±": "plus or minus", "#": "hash",
}  # fmt: skip

#: words that begin a sentence more often than they follow initials
STARTERS = frozenset(
    "He She It They We You The This That These Those In But And I A An His Her Their Our My If "
    "When While After Before As At On For So Then There However What Why How Who Where Is "
    "Are".split()
)
