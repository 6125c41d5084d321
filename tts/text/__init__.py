"""Text: from written text, plain or with markup, to the phone tokens of its sentences.

The modules in the order in which a request passes them:

    request           text_input.py checks it; analysis.py is the entry that models use and takes
                      it to sentences of phones, with or without markup
    markup            markup.py reads it, by pause_marks.py ([pause 0.5]) or ssml.py, whose values
                      are those of style.py and say_as.py; marked.py gives it to the sentences
    front end         frontend.py runs all the steps that follow, for one language
    preprocessing     chat.py, emoji_names.py, user_lexicon.py, inline_phones.py
    segmentation      sentences.py: of a text that is still written before normalization, and of
                      the spoken text after it
    normalization     normalize.py: Unicode and the choice of a language's rules, which rewrite a
                      Tracked text of tracked.py
      of English      english.py, see below
      of others       languages.py, see below
    pronunciation     phonemes.py: grapheme-to-phoneme by espeak-ng; foreign_scripts.py,
                      foreign_names.py; homographs.py with homograph_neighbors.py,
                      homograph_readings.py, homograph_senses.py
    tokens            symbols.py: Phones, made by phone_builder.py, with the written form of each
                      word by phone_spans.py; pieces.py cuts what is too long
    for networks      pauses.py, tokens.py, and for models without durations lengths.py, places.py

Rules of English, which english.py puts in order; english_tables.py has their words and numbers.py
the words of numbers:

    lines             truecasing.py, english_headings.py
    short forms       english_short_forms.py with english_abbreviations.py, english_places.py,
                      english_roman_numerals.py; english_sentence_ends.py tells whether their dot
                      ends a sentence; english_chat.py, english_references.py
    capitals          english_capitals.py, capital_words.py
    codes             english_codes.py
    dates             english_dates.py, english_decades.py
    amounts           english_amounts.py, english_money.py, english_fractions.py,
                      english_counts.py, english_ambiguous_units.py, english_number_plurals.py,
                      english_scores.py; english_attributives.py tells "a $5 bill" from "$5"

Rules of German, French, Spanish, Italian, Portuguese, Dutch and Polish, which languages.py puts in
order; language_words.py has their words and language_numbers.py the words of numbers:

    short forms       language_abbreviations.py, language_romans.py, language_marks.py
    dates             language_dates.py, language_ordinals.py
    amounts           language_amounts.py, language_nouns.py
    inflection        polish_inflection.py

Beside all this, names.py compares the names of speakers.
"""
