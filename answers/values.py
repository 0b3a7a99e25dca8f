"""Single values and words of two answers compared by cheap rules: numbers with units, closed formulas, formulas with unknowns, plain words.

compare_values(r"\\frac{1}{2}", "0.5", None, None, None) -> True
"""

import re

from . import formula as latex
from .quantity import Quantity, parse_quantity, read_number, same_quantity
from .units import read_unit, strip_wrappers, to_ascii_math
from .words import tokens

BELOW = re.compile(
    r"/\s*(\d*(?:[A-Za-z](?:_\{?\w\}?)?){2,4}|\d+[A-Za-z](?:_\{?\w\}?)?)(?![A-Za-z(])"
)


def closed_with_unit(text):
    """A Quantity of a closed formula with a unit behind it: "2\\pi rad/s", "5\\sqrt{2} cm"; None of anything else."""
    split = (
        re.fullmatch(
            r"(.*?(?:[\d})\]]|\\pi(?=\s)))\s*([A-Za-zμΩ°][^\\{}]{0,40})", strip_wrappers(text)
        )
        if len(text) < 200
        else None
    )
    unit = read_unit(split[2]) if split and "\\" in split[1] else None
    factor = latex.number(split[1]) if unit else None
    return (
        Quantity(factor.real * unit[1], unit[0])
        if factor is not None and abs(factor.imag) < 1e-9
        else None
    )


def value_of(text):
    """A Quantity of the number that a formula with a name or an approximation states: "v = 3.2 m/s", "\\sqrt{2} \\approx 1.41"; None else."""
    pieces = re.split(r"\\approx|≈|=|\\sim\b|\\simeq|\\cong", to_ascii_math(text))
    for piece in reversed(pieces) if len(pieces) > 1 else pieces:
        piece = piece.strip()
        if quantity := parse_quantity(piece):
            return quantity
        if quantity := closed_with_unit(piece):
            return quantity
        closed = latex.number(piece)
        if closed is not None and abs(closed.imag) < 1e-9:
            return Quantity(closed.real)
        head = read_number(strip_wrappers(piece))
        if head and (
            unit := read_unit(
                re.split(
                    r"\s+(?=[a-z]{3,}\b)|[,;(]",
                    strip_wrappers(piece)[head[3] :].strip() + " ",
                    maxsplit=1,
                )[0].strip()
                or "?"
            )
        ):
            return Quantity(head[0] * unit[1], unit[0], head[1], scientific=head[2])
    return None


def worth_asking(answer, reference):
    """Is there anything that math-verify could see and the rules could not? Words are not, towers of powers would only burn its time."""
    if risky(answer) or risky(reference):
        return False
    if is_words(reference) or is_words(answer) or len(answer) > 400 or len(reference) > 600:
        return False
    if re.search(
        r"(?<![\\a-zA-Z])(?!infinity|arcsin|arccos|arctan)[a-zA-Z]{5,}",
        re.sub(r"\\[a-zA-Z]+(?:\s*\{[a-z]*matrix\})?", "", answer),
    ):
        return False  # prose
    return bool(re.search(r"[\d\\=<>^(\[{]", answer) and re.search(r"\w", reference))


def risky(text):
    """Towers of powers, factorials of factorials, exponents past ten thousand: equal only when they are written alike."""
    if "^" not in text and "!" not in text and "**" not in text:
        return text.count("(") > 40 or text.count("{") > 120
    flat = re.sub(r"[\s{}()]", "", text).replace("**", "^")
    return (
        bool(
            re.search(
                r"\^[-+]?\w{1,6}\^[-+]?\w{1,6}\^|(?<!\d)\d{2,9}\^\d{1,9}\^|\d\^\d{1,9}\^\d|\d{4}!|!!|!\^|\^\d{5}|\^[^,=]{0,20}!",
                flat,
            )
        )
        or text.count("(") > 40
        or text.count("{") > 120
    )


def is_words(text):
    """Plain words, such as \\text{even} or "the midpoints form a hexagon": to be compared as words."""
    flat = strip_wrappers(re.sub(r"\\text(?:bf|it|rm)?\s*\{([^{}]*)\}", r"\1", text)).strip("() .")
    return (
        bool(re.search(r"[A-Za-z]{2}", flat))
        and not re.search(r"[\\^_=<>+*/\d{}\[\]|]", flat)
        and not re.fullmatch(r"(?:pi|ln|log|sin|cos|tan|exp|sqrt)\b.*", flat)
        and bool(re.search(r"[A-Za-z]{3}", flat))
    )


def flat_words(text):
    flat = strip_wrappers(re.sub(r"\\text(?:bf|it|rm)?\s*\{([^{}]*)\}", r" \1 ", text)).lower()
    return re.findall(r"[^\W_]+", flat)


def compare_words(answer, reference):
    one, two = flat_words(answer), flat_words(reference)
    if one == two or tokens(answer) == tokens(reference):
        return True
    if len(one) <= 12 and two and " ".join(two) in " ".join(one):
        spare = [w for w in one if w not in two]
        return (
            not any(w in ("not", "no", "never", "neither", "nor", "or") for w in spare)
            and f" {' '.join(two)} " in f" {' '.join(one)} "
        )
    return False


def both_signs(text):
    return (
        [
            text.replace("\\pm", "+").replace("\\mp", "-"),
            text.replace("\\pm", "-").replace("\\mp", "+"),
        ]
        if "\\pm" in text
        else [text]
    )


def compare_values(a, b, one, two, rel_tol):
    """Numbers, closed formulas and formulas with unknowns, perhaps with a unit or an approximation at the end."""
    for turned, other in (
        (a, two),
        (b, one),
    ):  # \pi/4 against 45 degrees: a bare multiple of pi is in radians
        if (
            "\\pi" in turned
            and other is not None
            and other.unit == "(degree)**1"
            and (angle := closed(turned, None))
        ):
            return same_quantity(Quantity(angle.value, "(radian)**1"), other, rel_tol)
    verdict = latex.agree(a, b)
    if verdict is False and "/" in a + b:  # t/RC is t/(RC), as physicists write it
        verdict = latex.agree(BELOW.sub(r"/(\1)", a), BELOW.sub(r"/(\1)", b)) or verdict
    if verdict is not None:
        if verdict:
            return True
        x, y = (
            closed(a, one) or (value_of(a) if two is not None and two.unit else None),
            closed(b, two),
        )
        return bool(x and y and same_quantity(x, y, rel_tol)) and (
            one is not None or rel_tol is not None or two is not None and two.digits is not None
        )
    x = one or closed(a, None) or value_of(a)
    y = (
        two
        or closed(b, None)
        or (
            value_of(b)
            if re.search(r"\\approx|\\sim", b) or two is None and re.match(r"[-+\d.]", b)
            else None
        )
    )
    if x and y:
        return same_quantity(x, y, rel_tol)
    return (
        False
        if latex.read(a)
        and latex.read(b)
        and not risky(a)
        and not risky(b)
        and len(a) < 40
        and re.fullmatch(r"[-\d.]+", a)
        else None
    )


NUMERAL = re.compile(
    r"(?P<minus>-?)(?:0(?P<sign>[bxo])(?P<a>[0-9a-f]{1,60})"
    r"|\(?(?P<b>[0-9a-z]{1,60}?)\)?(?:_\(?(?P<base>\d{1,2})\)?|(?:in)?(?P<word>binary|octal|hex(?:adecimal)?))?)",
    re.I,
)


def compare_numerals(answer, reference):
    """1010_2, 0b1010, "1010 in binary": by value where both sides name a base, by digits or value where one does; None where neither does."""
    said, wanted = numeral(answer), numeral(reference)
    if not said or not wanted or said[1] is wanted[1] is None:
        return None
    if said[1] and wanted[1]:
        return in_base(*said) == in_base(*wanted)
    return (
        said[0].upper() == wanted[0].upper()
        or wanted[1] is None
        and wanted[0].isdigit()
        and in_base(*said) == int(wanted[0])
    )


def numeral(text):
    """(digits, base) of a numeral, base None where it names none; None of anything else."""
    match = NUMERAL.fullmatch(re.sub(r"\s|\\(?:text|mathrm)|[{}$]", "", text.strip().rstrip(".")))
    if not match:
        return None
    prefix = (match["sign"] or match["word"] or "").lower()[:1]
    base = (
        int(match["base"])
        if match["base"]
        else {"b": 2, "o": 8, "x": 16, "h": 16, "": None}[prefix]
    )
    digits = match["minus"] + (match["a"] or match["b"])
    return (digits, base) if base is None or in_base(digits, base) is not None else None


def in_base(digits, base):
    try:
        return int(digits, base) if 2 <= base <= 36 else None
    except ValueError:
        return None


def closed(text, quantity):
    if quantity is not None:
        return quantity
    value = latex.number(text)
    return Quantity(value.real) if value is not None and abs(value.imag) < 1e-9 else None
