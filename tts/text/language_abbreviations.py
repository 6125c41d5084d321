"""Expansion of abbreviations in the languages of tts.text.languages, and lists of those that never
end a sentence.
"""

import re
from functools import lru_cache

from tts.text.language_numbers import dot_stays
from tts.text.tracked import Rule, rule

__all__ = ["abbreviation_rules", "before_figures", "never_last"]

_Match = re.Match[str]
# Four lists for each language, by what follows an abbreviation: a name, a number, more of the
# sentence, or often nothing. A question mark stands for a dot that may be missing. A word after a
# slash is the form that Polish prepositions govern.
_TABLES: dict[str, tuple[str, str, str, str]] = {
    "de": (
        "Hr=Herr;Hrn=Herrn;Fr=Frau;Dr=Doktor;Prof=Professor;St=Sankt;Fa=Firma;Frl=Fräulein;"
        "Ing=Ingenieur;Dipl=Diplom",
        "Nr=Nummer;Nrn=Nummern;S=Seite;Kap=Kapitel;Abb=Abbildung;Bd=Band;Tab=Tabelle;"
        "Abs=Absatz;Art=Artikel",
        "z.B=zum Beispiel;bzw=beziehungsweise;d.h=das heißt;u.a=unter anderem;ca=circa;"
        "evtl=eventuell;ggf=gegebenenfalls;inkl=inklusive;bspw=beispielsweise;vgl=vergleiche;"
        "sog=sogenannte;u.U=unter Umständen;z.T=zum Teil;i.d.R=in der Regel;v.a=vor allem;"
        "zzgl=zuzüglich;bzgl=bezüglich;mind=mindestens;max=maximal;z.Zt=zurzeit;geb=geboren;"
        "ehem=ehemals;m.E=meines Erachtens;s.o=siehe oben;s.u=siehe unten;i.A=im Auftrag",
        "usw=und so weiter;etc=et cetera;o.Ä=oder Ähnliches;v.Chr=vor Christus;"
        "n.Chr=nach Christus;Jh=Jahrhundert;Jhd=Jahrhundert;a.D=außer Dienst;"
        "u.v.m=und vieles mehr;Aufl=Auflage",
    ),
    "fr": (
        "M=Monsieur;MM=Messieurs;Mme?=Madame;Mmes?=Mesdames;Mlle?=Mademoiselle;Dr?=docteur;"
        "Mgr?=Monseigneur;Pr=professeur;Prof=professeur;St=Saint;Ste=Sainte;av=avenue;"
        "bd=boulevard;Me=maître",
        "p=page;pp=pages;art=article;chap=chapitre;vol=volume;fig=figure;no?=numéro;éd=édition;"
        "th=thermostat",
        "p.ex=par exemple;c.-à-d=c'est-à-dire;cf=confer;env=environ;max=maximum;"
        "s.v.p=s'il vous plaît;éd=édition",
        "etc=et cetera;av.J.-C=avant Jésus-Christ;apr.J.-C=après Jésus-Christ;"
        "ap.J.-C=après Jésus-Christ",
    ),
    "es": (
        "Sr=señor;Sra=señora;Srta=señorita;Sres=señores;Sras=señoras;Dr=doctor;Dra=doctora;"
        "Dña=doña;D.ª?=doña;Prof=profesor;Profa=profesora;Lic=licenciado;Av=avenida;"
        "Avda=avenida;Sto=santo;Sta=santa;Gral=general;Pza=plaza;Ing=ingeniero",
        "pág=página;págs=páginas;p=página;pp=páginas;núm=número;art=artículo;cap=capítulo;"
        "vol=volumen;fig=figura;n=número",
        "p.ej=por ejemplo;Ud=usted;Uds=ustedes;Vd=usted;Vds=ustedes;aprox=aproximadamente;"
        "máx=máximo;mín=mínimo;RR.HH=recursos humanos;FF.AA=Fuerzas Armadas;"
        "JJ.OO=Juegos Olímpicos;dpto=departamento;izq=izquierda;dcha=derecha;cf=compárese",
        "EE.UU=Estados Unidos;EE.UU?=Estados Unidos;EEUU?=Estados Unidos;etc=etcétera;"
        "a.C=antes de Cristo;d.C=después de Cristo",
    ),
    "it": (
        "Sig=signor;Sig.ra?=signora;Sig.na?=signorina;Sigg=signori;Sigg.ri?=signori;Dott=dottor;"
        "Dott.ssa?=dottoressa;Dr=dottor;Prof=professor;Prof.ssa?=professoressa;Ing=ingegner;"
        "Avv=avvocato;Arch=architetto;On=onorevole;Geom=geometra;Rag=ragionier;"
        "Mons=monsignor;V.le?=viale;P.zza?=piazza;C.so?=corso",
        "pag=pagina;pagg=pagine;p=pagina;pp=pagine;art=articolo;cap=capitolo;vol=volume;"
        "fig=figura;n=numero;nn=numeri;tab=tabella",
        "ad es=ad esempio;per es=per esempio;p.es=per esempio;ca=circa;cfr=confronta;"
        "max=massimo;gent.mo?=gentilissimo;gent.ma?=gentilissima;egr=egregio;spett=spettabile;"
        "c.a=circa",
        "ecc=eccetera;a.C=avanti Cristo;d.C=dopo Cristo",
    ),
    "pt": (
        "Sr=senhor;Sra=senhora;Sr.ª?=senhora;Srta=senhorita;Srs=senhores;Sras=senhoras;"
        "Dr=doutor;Dra=doutora;Dr.ª?=doutora;Prof=professor;Profa=professora;"
        "Prof.ª?=professora;Av=avenida;Eng=engenheiro;Sto=santo;Sta=santa;Pça=praça;"
        "Exmo=excelentíssimo;Exma=excelentíssima;Trav=travessa;Rod=rodovia",
        "pág=página;págs=páginas;p=página;pp=páginas;art=artigo;cap=capítulo;vol=volume;"
        "fig=figura;núm=número;n=número;apto=apartamento",
        "p.ex=por exemplo;aprox=aproximadamente;máx=máximo;mín=mínimo;obs=observação;"
        "V.Exa=Vossa Excelência;ref=referência;qtd=quantidade;Cia=companhia",
        "etc=et cetera;a.C=antes de Cristo;d.C=depois de Cristo;"
        "E.U.A=Estados Unidos da América;Ltda=limitada;hab=habitantes",
    ),
    "nl": (
        "dhr=de heer;mevr=mevrouw;mw=mevrouw;mej=mejuffrouw;dr=doctor;prof=professor;"
        "ir=ingenieur;ing=ingenieur;mr=meester;drs=doctorandus;ds=dominee;St=Sint;fam=familie",
        "blz=bladzijde;p=pagina;nr=nummer;nrs=nummers;art=artikel;hfst=hoofdstuk;afb=afbeelding;"
        "par=paragraaf;fig=figuur;tab=tabel",
        "bijv=bijvoorbeeld;bv=bijvoorbeeld;d.w.z=dat wil zeggen;o.a=onder andere;"
        "m.b.t=met betrekking tot;i.v.m=in verband met;t.o.v=ten opzichte van;"
        "i.p.v=in plaats van;ca=circa;incl=inclusief;excl=exclusief;evt=eventueel;"
        "resp=respectievelijk;o.l.v=onder leiding van;m.a.w=met andere woorden;"
        "n.a.v=naar aanleiding van;t.a.v=ter attentie van;m.n=met name;ong=ongeveer;"
        "max=maximaal;vgl=vergelijk;zgn=zogenaamd;t.g.v=ten gevolge van;t/m?=tot en met",
        "enz=enzovoort;etc=et cetera;a.u.b=alstublieft;v.Chr=voor Christus;n.Chr=na Christus;"
        "jl=jongstleden",
    ),
    "pl": (
        "ul=ulica/ulicy;al=aleja/alei;pl=plac/placu;os=osiedle/osiedlu;dr?=doktor;"
        "prof=profesor;inż=inżynier;mgr?=magister;św=święty;ks=ksiądz;gen=generał;"
        "płk?=pułkownik;im=imienia;red=redaktor",
        "nr?=numer;str=strona/stronie;s=strona/stronie;rozdz=rozdział;art=artykuł;ust=ustęp;"
        "pkt?=punkt;tab=tabela;rys=rysunek;poz=pozycja;par=paragraf;ok=około",
        "np=na przykład;tzn=to znaczy;tj=to jest;m.in=między innymi;tzw=tak zwany;"
        "wg?=według;max=maksymalnie;zob=zobacz;por=porównaj;ds?=do spraw;ww=wyżej wymieniony",
        "itd=i tak dalej;itp=i tym podobne;p.n.e=przed naszą erą;n.e=naszej ery;"
        "br=bieżącego roku;ub=ubiegłego",
    ),
}
# Expanded only before a name: elsewhere these are words, initials or days.
_ALSO_WORDS = frozenset("M Me On Fr St Av av bd Pr al os pl im red ir Arch Rag Ing ing Rod".split())
# Abbreviations whose dot may well end a sentence, as they are words or units of some language.
_MISTAKEN = frozenset(
    "on arch rag red ir im al os me st sta sto mm m rod pr mind ref por max geb ca br gent fam sig "
    "eng env obs".split()
)
# Titles in texts of any language, and titles of other languages in English.
_TITLES = frozenset("mr mrs dr prof st".split())
_FOREIGN_TITLES = frozenset("mme mlle sra srta mgr ste dott ing dhr hrn".split())
_COUNTED = frozenset("tel tél telf op lit pos ziff rn anm ref réf nr fig tab vol ext apt".split())
_ENGLISH_COUNTED = frozenset(
    "no nos nr p pp pg pgs art arts chap chaps cl eq eqs ex exs ep eps op opp thm prop prob ser "
    "suppl lit ver pos tab par sect sects fol".split()
)
# No letter follows.
_APART = r"(?![^\W\d_])"
_CASES = re.compile(r"(?i)\b(?:na|przy|w|we|po|o) $")


def _entries(table: str) -> dict[str, str]:
    """Parse a table of abbreviations: "Nr=Nummer;S=Seite"."""
    return dict(entry.split("=") for entry in table.split(";"))


def _known(lang: str, *kinds: int) -> frozenset[str]:
    """Return the abbreviations of some of the four kinds in small letters; for a language without
    a table those of all."""
    base = lang.lower().replace("_", "-").split("-")[0]
    of = [_TABLES[base]] if base in _TABLES else _TABLES.values()
    tables = [_entries(table[kind]) for table in of for kind in kinds]
    keys = {key.rstrip("?").lower() for table in tables for key in table}
    # "EE. UU." has a dot inside.
    parts = {part for key in keys if "." in key for part in key.split(".")[:-1] if len(part) > 1}
    return frozenset(key for key in keys if "." not in key) | parts - _MISTAKEN


@lru_cache(maxsize=16)
def never_last(lang: str) -> frozenset[str]:
    """Return the abbreviations, in small letters, that never end a sentence.

    Args:
        lang: espeak code. For a language without a table they are those of all languages.
    """
    if lang.lower().startswith("en"):
        return _FOREIGN_TITLES
    return _known(lang, 0, 2) - _MISTAKEN | {"MM", "Sig", "ee"} | _TITLES


@lru_cache(maxsize=16)
def before_figures(lang: str) -> frozenset[str]:
    """Return the abbreviations, in small letters, that do not end a sentence before a number.

    Args:
        lang: espeak code. For a language without a table they are those of all languages.
    """
    return _COUNTED | (_ENGLISH_COUNTED if lang.lower().startswith("en") else _known(lang, 1))


def abbreviation_rules(lang: str) -> tuple[Rule, ...]:
    """Return the rules of the abbreviations of a language.

    Args:
        lang: code of the language, a key of `tts.text.language_words.LANGUAGES`.
    """
    names, counted, within, last = map(_entries, _TABLES[lang])
    rules = [
        _named(lang, names),
        _rule(lang, counted, r"(?= ?(?:\d|[IVXLC]+\b|[A-H]\b))", "never"),
        _rule(lang, within, _APART, "never" if lang != "de" else "seldom"),
        _rule(lang, last, _APART, "often"),
    ]
    number = {"fr": "numéro", "it": "numero", "es": "número", "pt": "número"}.get(lang)
    if number:
        # The clean-up replaces the raised letter by the sign of degrees.
        rules.append(rule(r"(?<!\w)[nN]\.?[°ºo] ?(?=\d)", f"{number} "))
    if lang == "fr":
        rules.append(rule(r"(?<!\w)M\.(?= et M(?:me|lle))", "Monsieur"))
        rules.append(rule(r"(?<![\w./])J\.-C\.(?! [A-ZÉ])(?=(\s*$)?)", _christ))
        # "J.-P. Martin"
        rules.append(rule(r"(?<![\w./])([A-Z])\.-([A-Z])\.(?= [A-ZÉ])", r"\1-\2"))
        rules.append(rule(r"(\d )?\bc\. ?à ?(soupe|café|thé|s\.|c\.)", _spoon))
    if lang == "de":
        rules.append(rule(r"(?<=\d)( ?)(Min|Std|Sek)\b(?:\.(?= [a-zäöü]|[,;)]))?", _time))
        rules.append(rule(r"(?<=\d) ?EL\b", " Esslöffel"))
        rules.append(rule(r"(?<=\d) ?TL\b", " Teelöffel"))
        rules.append(rule(r"(?<=[a-zäöüß])str\.(?= \d)|(?<![\w.])Str\.(?= \d)", _street))
    if lang == "es":
        rules.append(rule(r"(?<=\d) ?([ap])\. ?m\.(?= [a-zñ(]|[,;:])", r" \1 m"))
        rules.append(rule(r"(?<=\d) ?([ap])\. ?m\.", r" \1 m."))
        rules.append(rule(r"(?<![\w/])[Cc]/ ?(?=[A-ZÁÉÍÓÚÑ])", "calle "))
    return tuple(rules)


def _christ(m: _Match) -> str:
    return "Jésus-Christ" + ("." if m[1] is not None else "")


def _spoon(m: _Match) -> str:
    """Expand a French unit of recipes: "2 c. à soupe"."""
    alone = m[1] is None or re.search(r"(?<![\d,/])1 $", m.string[: m.start() + 2][-4:])
    kind = {"s.": "soupe", "c.": "café"}.get(m[2], m[2])
    return f"{m[1] or ''}cuillère{'' if alone else 's'} à {kind}"


def _time(m: _Match) -> str:
    name = {"Min": "Minute", "Std": "Stunde", "Sek": "Sekunde"}[m[2]]
    one = re.search(r"(?<![\d,.])1$", m.string[max(0, m.start() - 3) : m.start()])
    return f" {name}{'' if one else 'n'}"


def _street(m: _Match) -> str:
    return "straße" if m[0][0] == "s" else "Straße"


def _pattern(keys: dict[str, str]) -> str:
    """Return a pattern of abbreviations, the longest first, with or without spaces after dots."""
    out = []
    for key in sorted(keys, key=len, reverse=True):
        bare = key.removesuffix("?")
        first = bare[0]
        either = f"[{first}{first.upper()}]" if first.islower() else re.escape(first)
        body = either + r"\. ?".join(map(re.escape, bare.split(".")))[len(re.escape(first)) :]
        out.append(body + (r"(?:\.|(?!\w))" if key.endswith("?") else r"\."))
    return "|".join(out)


def _key(written: str) -> str:
    return re.sub(r"(?<=\.) ", "", written).rstrip(".")


def _said(lang: str, keys: dict[str, str], m: _Match) -> str:
    """Return the expansion of an abbreviation, in the form and the case of its context."""
    written = _key(m[1])
    small = written[0].lower() + written[1:]
    said = next(keys[key] for key in (written, written + "?", small, small + "?") if key in keys)
    before = m.string[max(0, m.start() - 20) : m.start()]
    nominative, _, inflected = said.partition("/")
    said = inflected if inflected and _CASES.search(before) else nominative
    if said.startswith("de ") and re.search(r"(?i)\bde $", before):
        said = said.removeprefix("de ")
    if re.search(r"[.!?…][\"')]* $", before):
        # Segmentation knows a new sentence by its capital.
        said = said[0].upper() + said[1:]
    return said


def _rule(lang: str, keys: dict[str, str], following: str, ends: str) -> Rule:
    """Return the rule of abbreviations that are no names.

    Args:
        keys: abbreviations and their expansions.
        following: pattern of what must follow.
        ends: "never" where their dot ends a sentence only at the end of the line.
    """

    def replaced(m: _Match) -> str:
        rest = m.string[m.end() : m.end() + 40]
        dotted = m[1].endswith(".")
        over = not rest.strip() or rest.lstrip(" ")[:1] == "\n"
        if ends != "never":
            over = over or dot_stays(lang, m.string, m.end())
        gap = " " if rest[:1].isdigit() else ""
        return _said(lang, keys, m) + ("." if dotted and over else gap)

    return rule(rf"(?<![\w./])({_pattern(keys)}){following}", replaced)


def _named(lang: str, keys: dict[str, str]) -> Rule:
    """Return the rule of abbreviations before a name; some are expanded without one too."""
    alone = {key for key in keys if key.rstrip("?") not in _ALSO_WORDS}

    def replaced(m: _Match) -> str:
        rest = m.string[m.end() : m.end() + 40]
        follows = re.match(r" ?(?:[^\W\d_]|\d)", rest)
        first = rest.lstrip(" ")[:1]
        named = bool(follows) and (first.isupper() or first.isdigit() and lang != "de")
        if not named and not {_key(m[1]), _key(m[1]) + "?"} & alone:
            return m[0]
        over = not rest.strip() or rest.lstrip(" ")[:1] == "\n"
        if lang == "de":
            over = over or dot_stays(lang, m.string, m.end())
        gap = " " if follows and rest[0] != " " else ""
        return _said(lang, keys, m) + ("." if m[1].endswith(".") and over else gap)

    return rule(rf"(?<![\w./-])(?<!\b[A-Z]\. )(?<!\d )({_pattern(keys)})(?![a-zß-ÿ])", replaced)
