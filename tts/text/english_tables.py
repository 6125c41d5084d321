"""Word tables of English text normalization."""

__all__ = [
    "ABBREVIATIONS", "ADDRESS", "AMBIGUOUS", "BEFORE_LETTERS", "BEFORE_MORE", "BEFORE_NAMES",
    "BEFORE_NUMERALS", "BEHIND_NUMBERS", "CAPITAL_ABBREVIATIONS", "COMPASS", "COUNTED",
    "CURRENCIES", "FORMULAS", "FUNCTION",
    "GIVEN_NAMES", "GREEK", "HUSHED", "LATIN", "NUMBERED", "PART_WORDS", "PLAIN_TITLES",
    "MEASURED", "MONTHS", "NEVER_LAST", "PER", "PER_WORDS", "PICTURES", "REGNAL", "SCALES",
    "STARTERS", "STATES", "STATE_NAMES", "STREETS", "SYMBOLS", "TITLES", "UNCOUNTED",
    "UNITS", "WEEKDAYS", "WORDLIKE_STATES", "WORDS_WITH_NUMBERS",
]  # fmt: skip

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip

WEEKDAYS = (
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
)

STREETS = {
    "Blvd": "boulevard",
    "Ave": "avenue",
    "Rd": "road",
    "Hwy": "highway",
    "Ln": "lane",
    "Pkwy": "parkway",
    "Sq": "square",
}

#: states whose code stands before a ZIP code
STATE_NAMES = {
    "AL": "Alabama", "AK": "Alaska", "AZ": "Arizona", "AR": "Arkansas", "CA": "California",
    "CO": "Colorado", "CT": "Connecticut", "DE": "Delaware", "DC": "D C", "FL": "Florida",
    "GA": "Georgia", "HI": "Hawaii", "ID": "Idaho", "IL": "Illinois", "IN": "Indiana",
    "IA": "Iowa", "KS": "Kansas", "KY": "Kentucky", "LA": "Louisiana", "ME": "Maine",
    "MD": "Maryland", "MA": "Massachusetts", "MI": "Michigan", "MN": "Minnesota",
    "MS": "Mississippi", "MO": "Missouri", "MT": "Montana", "NE": "Nebraska", "NV": "Nevada",
    "NH": "New Hampshire", "NJ": "New Jersey", "NM": "New Mexico", "NY": "New York",
    "NC": "North Carolina", "ND": "North Dakota", "OH": "Ohio", "OK": "Oklahoma", "OR": "Oregon",
    "PA": "Pennsylvania", "RI": "Rhode Island", "SC": "South Carolina", "SD": "South Dakota",
    "TN": "Tennessee", "TX": "Texas", "UT": "Utah", "VT": "Vermont", "VA": "Virginia",
    "WA": "Washington", "WV": "West Virginia", "WI": "Wisconsin", "WY": "Wyoming",
    "PR": "Puerto Rico",
}  # fmt: skip
#: of these, the codes that are words, before which a town must stand
WORDLIKE_STATES = "IN|ME|HI|OK|ID"
STATES = "|".join(code for code in STATE_NAMES if code not in WORDLIKE_STATES.split("|"))

#: abbreviations of thousand and more
SCALES = {
    "k": "thousand", "K": "thousand", "m": "million", "M": "million", "mn": "million",
    "b": "billion", "B": "billion", "bn": "billion", "tn": "trillion", "T": "trillion",
    "Cr": "crore", "cr": "crore",
}  # fmt: skip

#: singular and plural of each currency and of its hundredth, "" without one
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
    "MX$": ("Mexican peso", "Mexican pesos", "centavo", "centavos"),
    "AUD": ("Australian dollar", "Australian dollars", "cent", "cents"),
    "CAD": ("Canadian dollar", "Canadian dollars", "cent", "cents"),
    "NZD": ("New Zealand dollar", "New Zealand dollars", "cent", "cents"),
    "HKD": ("Hong Kong dollar", "Hong Kong dollars", "cent", "cents"),
    "SGD": ("Singapore dollar", "Singapore dollars", "cent", "cents"),
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

#: singular of each unit of measure, by its symbol or abbreviation
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
    "ft^2": "square foot", "ft2": "square foot", "in^2": "square inch", "mi^2": "square mile",
    "yd^2": "square yard", "ft^3": "cubic foot", "in^3": "cubic inch", "yd^3": "cubic yard",
    "mi^3": "cubic mile", "m2": "square meter", "km2": "square kilometer",
    "cm2": "square centimeter",
    "mm^2": "square millimeter", "m3": "cubic meter", "cm3": "cubic centimeter",
    "mm^3": "cubic millimeter", "km^3": "cubic kilometer", "sq. ft.": "square foot",
    "sq. ft": "square foot", "sq m": "square meter", "sq. m": "square meter",
    "sq km": "square kilometer", "sq. km": "square kilometer", "sq mi": "square mile",
    "sq. mi": "square mile", "sq. mi.": "square mile", "sq in": "square inch",
    "cu ft": "cubic foot", "cu. ft.": "cubic foot",
    "tsp": "teaspoon", "tbsp": "tablespoon", "Tbsp": "tablespoon", "pt": "pint", "qt": "quart",
    "qts": "quart", "pts": "pint", "pct": "percent",
    "dL": "deciliter", "hl": "hectoliter", "dpi": "dot per inch", "ppi": "pixel per inch",
    "yr": "year", "yrs": "year", "mos": "month", "wk": "week", "wks": "week", "km/s":
    "kilometer per second", "MB/s": "megabyte per second", "kt": "knot", "kn": "knot",
    "KM": "kilometer", "KG": "kilogram", "CM": "centimeter", "MPH": "mile per hour",
    "LBS": "pound", "LB": "pound", "OZ": "ounce", "RPM": "revolution per minute",
    "KM/H": "kilometer per hour", "KMH": "kilometer per hour", "KPH": "kilometer per hour",
    "BPM": "beat per minute", "FPS": "frame per second", "DPI": "dot per inch",
    "lm": "lumen", "lx": "lux", "cd": "candela", "nF": "nanofarad",
    "μF": "microfarad", "pF": "picofarad", "MΩ": "megaohm", "mW": "milliwatt", "μA": "microampere",
    "A": "ampere", "kA": "kiloampere", "MPa": "megapascal", "GPa": "gigapascal", "mmHg":
    "millimeter of mercury", "MJ": "megajoule", "MWh": "megawatt hour", "GWh": "gigawatt hour",
    "TWh": "terawatt hour", "THz": "terahertz", "PB": "petabyte", "Kbps": "kilobit per second",
    "kbps": "kilobit per second", "Mbit/s": "megabit per second", "Gbit/s": "gigabit per second",
    "MP": "megapixel", "ly": "light year", "Nm": "newton meter", "hp": "horsepower",
    "bar": "bar", "mbar": "millibar", "ton": "ton", "mcg": "microgram", "IU":
    "international unit", "mmol": "millimole", "μmol": "micromole", 
    "atm": "atmosphere", "gal": "gallon", "mol": "mole", "cal": "calorie",
    "KiB": "kibibyte", "MiB": "mebibyte", "GiB": "gibibyte", "TiB": "tebibyte", "PiB": "pebibyte",
    "mbps": "megabit per second", "gbps": "gigabit per second", "MPG": "mile per gallon",
    "mb": "megabyte", "gb": "gigabyte", "tb": "terabyte",
    "fl oz": "fluid ounce", "fl. oz.": "fluid ounce", "fl. oz": "fluid ounce",
}  # fmt: skip
#: names of units without a plural
UNCOUNTED = frozenset(
    "percent hertz kilohertz megahertz gigahertz terahertz horsepower lux".split()
) | {"per mille"}
#: abbreviations after a slash, beside those of `UNITS`
PER = {
    "hr": "hour",
    "h": "hour",
    "mo": "month",
    "yr": "year",
    "wk": "week",
    "sec": "second",
    "min": "minute",
    "d": "day",
}
PER |= {
    word: word
    for word in (
        "second minute hour day night week month year person unit item page head mile room seat "
        "user game share ticket student child gallon pound barrel acre ounce lesson session "
        "visit trip call copy piece cup serving dose ton quarter semester weekend".split()
    )
}
PER_WORDS = "second|minute|hour|day|night|week|month|year|person|item|page|mile"
COMPASS = {"N": "north", "S": "south", "E": "east", "W": "west"}
#: nouns that are counted, before which a number is not a year
COUNTED = (
    "people|men|women|children|students|words|pages|times|miles|kilometers|kilometres|meters|"
    "metres|dollars|euros|pounds|years|days|hours|minutes|seconds|months|weeks|users|items|books|"
    "votes|points|feet|inches|bytes|pixels|calories|cases|deaths|employees|members|soldiers|"
    "tons|tonnes|copies|files|lines|steps|square|or|different|more|other|homes|houses|jobs|"
    "workers|seats|rooms|acres|degrees|watts|volts|guests|residents|inhabitants|customers|kids"
)
#: alternatives of a pattern: words after an amount that are no noun which it describes
FUNCTION = (
    "and|or|to|in|on|at|for|from|of|per|a|an|the|by|with|without|is|was|are|were|has|had|have|be|"
    "more|less|off|each|every|if|when|then|than|that|which|who|but|as|up|down|over|under|"
    "about|after|before|ago|away|long|wide|tall|high|deep|thick|apart|into|out|back|now|"
    "today|yesterday|tomorrow|here|there|north|south|east|west|because|while|just|only|will|"
    "would|can|could|may|might|should|must|it|he|she|we|they|you|not|so|went|goes|later|"
    "earlier|instead|once|twice|through|across|around|between|until|till|since|during|"
    "against|toward|towards|outside|inside|below|above|total|altogether|together|too|also"
)
#: alternatives of a pattern: nouns that an amount describes even without an article
MEASURED = (
    "bill|bills|note|notes|coin|coins|banknote|banknotes|film|lens|lenses|sprint|dash|hurdles|"
    "freestyle|relay|monitor|monitors|television|televisions|gift card|gift cards|steak|nail|nails|"
    "pizza|fine|bag|bags|weight|tank|engine|battery|wrench|socket|drill|guy|man|rule|screen|"
    "screens|wheels|rims"
)
#: alternatives of a pattern: nouns after a resolution such as "4K"
PICTURES = (
    "video|videos|TV|TVs|resolution|monitor|monitors|screen|screens|display|displays|UHD|camera|"
    "cameras|movie|movies|footage|content|streaming|projector|run|race"
)

#: small letters with dots
LATIN = {"eg": "for example", "ie": "that is", "am": "A M", "pm": "P M"}

#: abbreviations with a dot
ABBREVIATIONS = {
    "mr": "mister", "mrs": "missus", "ms": "miz", "messrs": "messers", "prof": "professor",
    "rev": "reverend", "hon": "honorable", "gen": "general", "col": "colonel",
    "maj": "major", "brig": "brigadier", "adm": "admiral", "drs": "doctors",
    "capt": "captain", "lt": "lieutenant", "sgt": "sergeant", "cmdr": "commander",
    "gov": "governor", "sen": "senator", "rep": "representative", "pres": "president",
    "jr": "junior", "sr": "senior", "etc": "et cetera", "vs": "versus", "approx": "approximately",
    "dept": "department", "est": "established", "inc": "incorporated", "ltd": "limited",
    "corp": "corporation", "co": "company", "bros": "brothers", "ave": "avenue",
    "blvd": "boulevard", "rd": "road", "mt": "mount", "ft": "fort", "fig": "figure",
    "vol": "volume", "ch": "chapter", "pp": "pages", "ed": "edition", "jan": "January",
    "feb": "February", "mar": "March", "apr": "April", "jun": "June", "jul": "July",
    "aug": "August", "sept": "September", "oct": "October",
    "nov": "November", "dec": "December", "cf": "compare", "al": "al", "univ": "university",
    "tel": "telephone", "ext": "extension", "min": "minutes", "max": "maximum", "misc":
    "miscellaneous", "assn": "association", "hwy": "highway",
    "avg": "average", "incl": "including", "excl": "excluding", "temp": "temperature",
    "esp": "especially", "viz": "namely", "sec": "section", "eg": "for example", "ie": "that is",
    "ca": "circa", "lbs": "pounds", "hrs": "hours", "mins": "minutes", "secs": "seconds",
    "yrs": "years", "hr": "hour", "apt": "apartment", "attn": "attention", "gal": "gallons",
    "bldg": "building", "intl": "international", "natl": "national", "tbsp":
    "tablespoons", "tsp": "teaspoons", "oz": "ounces", "qty": "quantity",
    "resp": "respectively", "ref": "reference", "sq": "square", "supt":
    "superintendent", "wk": "week", "yr": "year", "mo": "month", "para": "paragraph",
    "ln": "lane", "pkwy": "parkway", "govt": "government", "figs": "figures",
    "vols": "volumes", "mfg": "manufacturing",
    "cpl": "corporal", "pvt": "private", "pfc": "private first class", "fr": "father",
    "det": "detective", "asst": "assistant", "atty": "attorney", "insp": "inspector",
    "msgr": "monsignor",
}  # fmt: skip
#: of these, the ones that are mostly within a sentence: their dot ends one only before a word that
#: begins sentences
TITLES = frozenset(
    "mr mrs ms messrs prof rev hon gen col capt lt sgt cmdr gov sen rep pres mt ft fig vol ch pp "
    "cf approx vs co dept est ext avg incl excl esp viz sec eg ie ca attn temp jr sr bros intl "
    "natl supt maj brig adm drs inc ltd corp cpl pvt pfc fr det asst atty insp msgr".split()
)
#: of these, the ones that even such a word may follow ("Mr. and Mrs.", "cats vs. the dogs")
NEVER_LAST = frozenset("mr mrs ms messrs vs eg ie cf viz approx incl excl".split())
#: abbreviations that are no initialism in capitals
CAPITAL_ABBREVIATIONS = frozenset(
    "mr mrs messrs prof capt sgt jr sr etc vs inc ltd corp bros blvd hwy vol approx dept".split()
)
#: abbreviations that are also words, names or initialisms, so that their context must decide
AMBIGUOUS = frozenset(
    "oz max ed sec fig figs gal apt rep ref temp hon mo gen col est ca mt ms min ext para rev ft "
    "jan mar jun jul fr det".split()
)
#: of these, the ones before a name
BEFORE_NAMES = frozenset("ms hon gen col rep rev mt ft fr det".split())
#: of these, the ones before a number, and before a letter ("Fig. B")
BEFORE_NUMERALS = frozenset("fig figs sec ch apt para ext ref ed temp ca est col rev".split())
BEFORE_LETTERS = frozenset("fig sec apt".split())
#: of these, the ones before a small letter
BEFORE_MORE = frozenset("hon gen temp est max min jan mar jun jul".split())
#: of these, the ones after a number or "per"
BEHIND_NUMBERS = {
    "oz": "ounce", "gal": "gallon", "sec": "second", "min": "minute", "mo": "month", "ft": "foot",
    "hr": "hour", "yr": "year", "wk": "week", "tsp": "teaspoon", "tbsp": "tablespoon",
}  # fmt: skip

#: names of rulers and popes
REGNAL = frozenset(
    "Henry Louis Charles George Edward William James Richard Elizabeth Mary John Paul Pius "
    "Benedict Gregory Leo Innocent Clement Alexander Nicholas Peter Catherine Frederick Wilhelm "
    "Friedrich Philip Ferdinand Francis Napoleon Ivan Joseph Leopold Otto Ramses Ramesses "
    "Ptolemy Gustav Christian Carl Haakon Harald Umberto Victor Emmanuel Stephen Urban Julius "
    "Sixtus Alfonso Juan Margaret Rudolf Rudolph Maximilian Constantine Darius Xerxes Felipe "
    "Carlos Fernando Afonso Pedro Manuel Albert Olav Erik Magnus Sigismund Casimir Ladislaus Selim "
    "Murad Mehmed Mehmet Suleiman Mahmud Mohammed Abdullah Hussein Amenhotep Thutmose Seti "
    "Cleopatra Antiochus Artaxerxes Cyrus Menelik Robert Kenneth Margrethe Isabella Baldwin Conrad "
    "Lothar Philippe Clovis Theodosius Valentinian Justinian Alexios Andronikos Kamehameha Rama "
    "Rainier Boniface Celestine Adrian Sylvester Eugene Karl Franz Johan Baudouin Basil".split()
)
#: given names before a surname, after which a numeral counts the bearers of the name
GIVEN_NAMES = frozenset(
    "Adam Allen Andrew Anthony Arthur Benjamin Brian Bruce Calvin Chris Christopher Clarence "
    "Cornelius Daniel David Davis Dennis Donald Douglas Edgar Edwin Ernest Eugene Frank Franklin "
    "Gary Gerald Gordon Harold Harry Harrison Henry Howard Jack Jacob Jason Jeffrey Jerry Jonathan "
    "Joshua Kenneth Kevin Larry Lawrence Lloyd Marcus Mark Marvin Matthew Michael Nathaniel Oliver "
    "Patrick Percy Ralph Raymond Richard Roger Ronald Roy Russell Ryan Sam Samuel Scott Sean "
    "Steven Theodore Thomas Thurston Timothy Trey Walter Warren Winston".split()
)

#: marks of web and mail addresses
ADDRESS = {
    "://": "", "@": "at", ".": "dot", "/": "slash", "-": "dash", "_": "underscore",
    "?": "question mark", "&": "and", "=": "equals", "#": "hash", "%": "percent", "+": "plus",
    "~": "tilde", ":": "colon",
}  # fmt: skip

#: symbols that no other rule takes
SYMBOLS = {
    "+": "plus", "×": "times", "÷": "divided by", "=": "equals", "&": "and", "@": "at",
    "%": "percent", "§": "section", "°": "degrees", "<": "less than", ">": "greater than",
    "±": "plus or minus", "#": "hash", "≤": "less than or equal to",
    "≥": "greater than or equal to", "≠": "not equal to", "≈": "approximately equal to",
    "√": "the square root of", "∞": "infinity", "∑": "the sum of",
}  # fmt: skip

#: words that begin a sentence more often than they follow initials
STARTERS = frozenset(
    "He She It They We You The This That These Those In But And I A An His Her Their Our My If "
    "When While After Before As At On For So Then There However What Why How Who Where Is Are "
    "Although Because Since Until Despite During With Without From By To Under Meanwhile "
    "Nevertheless Therefore Also Later Yesterday Today Tomorrow Now Here Some Many Most Both Each "
    "Every Another Please Let Can Its Your".split()
)

#: chemical formulas without a digit, which are spelled
FORMULAS = frozenset("NaCl HCl NaOH KCl KOH HF CuO FeO ZnO MgO CaO".split())
#: words in capitals before a digit
WORDS_WITH_NUMBERS = frozenset(
    "RAM ROM PIN SIM ZIP SAT ACT NO AND THE BUT FOR YOU TO OF IN OR".split()
)

#: titles without a dot
PLAIN_TITLES = {"Mr": "mister", "Mrs": "missus", "Ms": "miz", "Dr": "doctor"}
#: abbreviations before a Roman numeral
NUMBERED = {
    "Vol": "Volume",
    "Ch": "Chapter",
    "Fig": "Figure",
    "Sec": "Section",
    "Art": "Article",
    "Bk": "Book",
}
#: names of the letters from α to ω
GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma "
    "sigma tau upsilon phi chi psi omega"
).split()
#: words before a Roman numeral, in capitals
PART_WORDS = frozenset(
    "CHAPTER PART BOOK VOLUME ACT SCENE SECTION APPENDIX WAR ARTICLE PHASE TYPE FIGURE TABLE "
    "STAGE CLASS LEVEL EPISODE SEASON BOWL MARK TITLE GRADE".split()
)
#: words without a vowel, which are not spelled
HUSHED = frozenset("HMM MM SHH SH PSST BRR BRRR GRR ZZZ HM TSK NTH".split())
