"""Names in answers: initials and acronyms, surnames, titles, and the spellings of foreign letters.

short_for("DNA", "deoxyribonucleic acid") -> True
known_by_surname("It was J. J. Thomson.", "Joseph John Thomson") -> True
"""

import re

from .words import GENERIC, content, tokens

UMLAUTS = str.maketrans(
    {
        "ä": "ae",
        "ö": "oe",
        "ü": "ue",
        "Ä": "Ae",
        "Ö": "Oe",
        "Ü": "Ue",
        "ø": "oe",
        "Ø": "Oe",
        "å": "aa",
        "Å": "Aa",
        "ß": "ss",
    }
)
TITLE = re.compile(
    r"(?:King|Queen|Pope|Sir|Dr\.?|President|Prof\.?|Professor|Saint|St\.|Lord|Lady|Emperor|Prince|Princess|Mr\.?|Mrs\.?|Ms\.?|General|Captain)\s+(?=[A-Z]\w+)"
)
DISTINCT = "New|North|South|East|West|Upper|Lower|Great|United|San|Los|Las"  # words that make another name of a place
INITIAL = re.compile(r"\b([A-Z])\.(?=\s?[A-Z])")


def short_for(acronym, statement):
    """Are the initials of neighbouring words of the statement the acronym (central processing unit, CPU), or does it run through them (DNA)?"""
    spelt, short = [w.lower() for w in re.findall(r"[A-Za-z]+", statement)], acronym.lower()
    if not acronym.isalpha() or len(acronym) < 2 or not spelt:
        return False
    if len(acronym) == 2:
        return "".join(re.findall(r"\b([A-Z])[a-z]", re.sub(r"^The\b", "", statement))) == acronym
    begins = 2 <= len(spelt) <= len(short) and spelt[0][0] == short[0]
    if begins and all(w[0] in short for w in spelt) and in_order(short, "".join(spelt)):
        return True
    letters = "".join(w[0] for w in spelt if w not in ("of", "the", "and", "for"))
    return short in letters and len(letters) <= len(short) + 6


def in_order(parts, whole):
    """Do all parts stand in whole, in their order?"""
    rest = iter(whole)
    return all(part in rest for part in parts)


def spelt_out(statement, reference):
    """The statement with the reference in place of its initials: "it uses DFS" -> "it uses depth-first search"; three letters and more are safe in a sentence."""
    for short in (
        set(re.findall(r"\b[A-Z]{3,6}\b", statement))
        if len(reference.split()) + reference.count("-") > 1
        else ()
    ):
        if short not in reference and short_for(short, reference):
            return re.sub(rf"\b{short}\b", lambda _: reference, statement)
    return statement


def known_by_surname(statement, reference):
    """Is "J. J. Thomson" or a lone "Thomson" in the statement the "Joseph John Thomson" of the reference? False for another first name, None without the name."""
    *given, surname = reference.split()
    named = all(re.fullmatch(r"[A-Z][\w'’-]+|[A-Z]\.", name) for name in (*given, surname))
    if (
        not 1 <= len(given) <= 3
        or not named
        or len(surname) < 4
        or re.fullmatch(DISTINCT, given[0])
    ):
        return None
    found = list(
        re.finditer(
            rf"((?:\b[A-Z][\w'’-]*\.?\s?){{0,4}})(?<![\w-]){re.escape(surname)}\b(?!\s+[A-Z])",
            statement,
        )
    )
    if not found or re.search(
        rf"(?i:\b(?:not|nor|unlike|than)|n['’]t)\s+(?:\w+\s){{0,2}}{re.escape(surname)}", statement
    ):
        return False if found else None
    return all(same_first_names(one[1].removeprefix("The ").split(), given) for one in found)


def same_first_names(said, given):
    """Do first names agree as far as they are said, in full or by initials ("J. J.", "JJ")?"""
    said = [
        name
        for word in said
        for name in (re.findall("[A-Z]", word) if len(word.strip(".")) < 3 else [word])
    ]
    agree = (
        a == b or len(a) == 1 and b.startswith(a) or len(b.strip(".")) == 1 and a.startswith(b[0])
        for a, b in zip(said, given, strict=False)
    )
    return len(said) <= len(given) and all(agree)


def without_eponym(reference):
    """The content words of "Heisenberg uncertainty principle" without the name before them; None where fewer than two or an ordinal are left."""
    match = re.fullmatch(
        r"(?:[Tt]he\s+)?[A-Z]\w+(?:['’]s?)?\s+(?!(?:first|second|third|zeroth)\s\w+$)([a-z][\w-]*(?:\s[\w-]+)+)",
        reference,
    )
    rest = content(tokens(match[1])) if match else ()
    return (
        rest
        if len(rest) > 2
        or len(rest) > 1
        and (rest[-1] in GENERIC or re.search(r"['’]s\s", reference))
        else None
    )
