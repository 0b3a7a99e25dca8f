"""Is an answer the reference? Cheap rules for values, sets, tuples, intervals, matrices, equations; math-verify in the guarded worker last.

same_math("0.5", r"\\frac{1}{2}") -> True        same_math("(3, 2]", "[2, 3)") -> False
"""

import functools
import re

from . import formula as latex
from . import worker as worker
from .chemistry import compare_chemistry
from .markup import boxes
from .quantity import Quantity, parse_quantity, ratio, same_quantity
from .solution import NUMBER_RUN, extract_math
from .units import read_unit, strip_wrappers, to_ascii_math
from .values import (
    both_signs,
    closed,
    closed_with_unit,
    compare_numerals,
    compare_values,
    compare_words,
    is_words,
    value_of,
    worth_asking,
)

INFINITE = re.compile(
    r"\s*\+?\s*(?:infinity|infinite|\\infty|∞|\\text\s*\{\s*infin(?:ity|ite)\s*\})\s*\.?", re.I
)
EMPTY_SET = r"\\(?:emptyset|varnothing)|∅|\\\{\s*\\\}"
PHRASES = [re.compile(rf"(?:(?:it|this|the\s(?:limit|expression|integral|value|function|equation|system|slope))\s)?(?:{words})[.! ]*", re.I) for words in (
    rf"(?:there\s(?:is|are)\s|has\s|have\s)?no\s(?:real\s|valid\s|such\s|possible\s)?(?:solutions?|roots?)(?:\sexists?)?|(?:the\s)?(?:empty|null)\sset|{EMPTY_SET}",
    r"(?:does\snot|doesn['’]?t)\sexist|DNE|(?:is\s)?(?:undefined|not\sdefined)",
    r"(?:all|any|every)\s(?:real\s(?:numbers?|values?)|reals?)(?:\sof\s[a-z])?|\\mathbb\s*\{?\s*R\s*\}?|ℝ|\(\s*[-−]\s*(?:\\infty|∞)\s*,\s*\+?(?:\\infty|∞)\s*\)",
    r"(?:(?:there\sare\s|has\s)?(?:infinitely\smany|an\sinfinite\snumber\sof)(?:\ssolutions)?)|infinite\ssolutions",
)]  # fmt: skip
OTHER_SCRIPT = re.compile(
    r"[\u0600-\u06ff\u0900-\u097f\u0e00-\u0e7f\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]"
)
CLOCK = re.compile(
    r"0?(\d{1,2}:\d\d)\s*(?:\\text\{\s*)?([ap])?\.?\s?(?:(?<=[ap])m|(?<=[ap]\.)m|(?<=[ap]\. )m)?\.?\}?",
    re.I,
)
MODULUS = re.compile(r"\s*\(?\s*\\?[bp]?mod(?![a-z])\s*\{?\s*\d+\s*\}?\s*\)?")
INTERVAL = re.compile(r"^([(\[])(.*)([)\]])$", re.S)
MATRIX = re.compile(
    r"\\begin\s*\{([pbvBV]?matrix|array)\}(?:\s*\{[^{}]*\})?(.*?)\\end\s*\{\1\}", re.S
)


def same(answer, reference, unit=None, rel_tol=None):
    """(verdict, rule): True, False or None where the rules cannot tell, and the name of the rule that decided."""
    return same_math(answer, reference, unit, rel_tol), "rules"


def same_math(answer, reference, unit=None, rel_tol=None):
    """Is answer the reference? Numbers with units, structures, closed formulas, formulas with unknowns; then math-verify."""
    answer, reference = str(answer).strip(), str(reference).strip()
    if len(answer) > 2000 or len(reference) > 4000:
        return answer == reference
    reference = unbox(reference)
    answer = unbox(answer)
    if re.match(r"\(?a[).]\s", answer) and re.search(
        r"[,;\n]\s*(?:and\s+)?\(?b[).]\s", answer
    ):  # (a) 12 N, (b) 5 m/s
        answer, reference = PART_LABEL.sub("", answer), PART_LABEL.sub("", reference)
    if unit and unit.strip():
        return same_with_unit(answer, reference, unit, rel_tol)
    if latex.squeeze(answer) == latex.squeeze(reference):
        return True
    answer, reference = one_way(answer, reference)
    verdict = compare(answer, reference, rel_tol, 0)
    if verdict is None and rel_tol is None and worth_asking(answer, reference):
        verdict = worker.equal(reference, answer)
    return bool(verdict)


PART_LABEL = re.compile(r"(?:^|(?<=[,;\n]))\s*(?:and\s+)?\(?[a-h][).]\s+")


def unbox(text):
    """A reference may be a box, or a worked solution with boxes: its content counts."""
    found = boxes(text)
    if found:
        text = ", ".join(dict.fromkeys(part.strip() for _, _, part in found)) or text
    elif (
        "####" in text or len(text) > 60 and re.search(r"\n\s*(?:A|Answer)\s*:\s", text)
    ):  # GSM8K's reference: the solution, then "#### 72"
        text = extract_math(text) or text
    text = re.sub(
        r"^\s*\\\((.*)\\\)\s*\.?$|^\s*\\\[(.*)\\\]\s*\.?$|^\s*\$+([^$]*)\$+\s*\.?$",
        lambda m: next(g for g in m.groups() if g is not None),
        text,
        flags=re.S,
    )
    return text.strip()


def same_with_unit(answer, reference, unit, rel_tol):
    """SciBench's way: the unit stands apart and may hold a power of ten ("10^{-19} C"); it may be missing in the answer, with or without the power."""
    number = parse_quantity(reference)
    said = parse_quantity(answer) or value_of(answer)
    known = read_unit(unit)
    if number is None:
        return same_math(answer, reference, rel_tol=rel_tol) or same_math(
            answer, f"{reference} {unit}", rel_tol=rel_tol
        )
    if said is None:
        return same_math(answer, reference, rel_tol=rel_tol)
    name, factor = known if known else ("", 1.0)
    percent = "%" in unit
    plain = Quantity(number.value, name, number.digits, percent)
    scaled = Quantity(number.value * factor, name, number.digits, percent)
    if factor == 1.0:
        return same_quantity(said, plain, rel_tol)
    if said.unit or said.scientific:
        return (
            same_quantity(said, scaled, rel_tol)
            or not said.unit
            and same_quantity(said, plain, rel_tol)
        )
    return same_quantity(said, plain, rel_tol) or same_quantity(said, scaled, rel_tol)


@functools.lru_cache(maxsize=2048)
def split_top(text, separators=",;"):
    """Text cut at the separators that stand outside brackets; a comma between thousands is no separator."""
    text = re.sub(
        r"\\(?:text|mathrm|mbox)\s*\{\s*,?\s*(?:and|or)\s*\}|(?<![a-zA-Z\\])(?:and|or)(?![a-zA-Z])",
        ",",
        text,
    )
    parts, depth, start = [], 0, 0
    for at, sign in enumerate(text):
        if sign in "([{":
            depth += 1
        elif sign in ")]}":
            depth -= 1
        elif sign in separators and depth <= 0:
            parts.append(text[start:at])
            start = at + 1
    parts.append(text[start:])
    return tuple(part.strip() for part in parts if part.strip())


def compare(answer, reference, rel_tol, depth):
    """True, False, or None where the cheap rules cannot tell."""
    if depth > 6:
        return None
    if (
        OTHER_SCRIPT.search(answer) and not OTHER_SCRIPT.search(reference) and depth == 0
    ):  # a sentence in another script: its last number
        numbers = NUMBER_RUN.findall(OTHER_SCRIPT.sub(" ", answer))
        return bool(numbers) and compare(numbers[-1].strip(), reference, rel_tol, 1)
    if (verdict := compare_special(answer, reference, rel_tol, depth)) is not None:
        return verdict
    one, two = parse_quantity(answer), parse_quantity(reference)
    if one is None and (
        comma := re.fullmatch(r"([-+]?\d+),(\d{1,2})(\s*[a-zA-Zμ°%].{0,20})", answer)
    ):  # 22,5 J
        one = parse_quantity(f"{comma[1]}.{comma[2]}{comma[3]}")
    if (verdict := compare_quantities(answer, reference, one, two, rel_tol)) is not None:
        return verdict
    return compare_formulas(answer, reference, one, two, rel_tol, depth)


def compare_special(answer, reference, rel_tol, depth):
    """What is no number and no formula: stock phrases, numerals with a base, words, chemistry, clock times; None for anything else."""
    if (said := phrase(answer)) is not None and said == phrase(reference):
        return True
    if (verdict := compare_numerals(answer, reference)) is not None:
        return verdict
    if (left_out := all_but(answer)) and (wanted := all_but(reference)):
        return equal(left_out, wanted, rel_tol, depth)
    if (
        is_words(reference)
        and ratio(reference) is None
        and parse_quantity(reference) is None
        and not INFINITE.fullmatch(reference)
    ):
        return compare_words(answer, reference)
    if (verdict := compare_chemistry(answer, reference)) is not None:
        return verdict
    if INFINITE.fullmatch(answer) and INFINITE.fullmatch(reference):
        return True
    said, wanted = CLOCK.fullmatch(answer), CLOCK.fullmatch(reference)
    if said and wanted:
        return said[1] == wanted[1] and (
            not said[2] or not wanted[2] or said[2].lower() == wanted[2].lower()
        )
    return None


def compare_quantities(answer, reference, one, two, rel_tol):
    """Two numbers with units, or ratios; None where one of them is none."""
    if ratio(reference) is not None or ratio(answer) is not None and two is not None:
        sides_ = [
            ratio(t) if ratio(t) is not None else q.value if q else None
            for t, q in ((answer, one), (reference, two))
        ]
        return None not in sides_ and latex.near(complex(sides_[0]), complex(sides_[1]))
    if one is not None and two is not None:
        if same_quantity(one, two, rel_tol):
            return True
        decimal = re.fullmatch(
            r"\s*(-?\d+),(\d{1,2}|\d{4,})\s*", answer
        )  # 2,74 as Europeans write it
        return bool(decimal) and same_quantity(
            Quantity(float(f"{decimal[1]}.{decimal[2]}"), digits=len(decimal[1] + decimal[2])),
            two,
            rel_tol,
        )
    if two is not None and two.unit and one is None:
        said = [
            q
            for piece in re.split(r",?\s+or\s+|\(|\bi\.e\.,?|=|\\approx|,\s", answer)
            if (q := parse_quantity(piece.strip(" ),")))
        ]
        if said and all(q.unit for q in said) and any(same_quantity(q, two, rel_tol) for q in said):
            return True
    return None


def compare_formulas(answer, reference, one, two, rel_tol, depth):
    """Formulas, structures and relations of mathematics; one and two are their quantities, where they have them."""
    a, b = latex.canonical(answer), latex.canonical(reference)
    if latex.squeeze(a) == latex.squeeze(b) or same_closed(answer, reference, one, two, rel_tol):
        return True
    if two is not None and "array" in a and "=" in a:
        return compare(sides(a)[-1], reference, rel_tol, depth + 1)
    if "matrix" in a or "matrix" in b or "{array}" in a:
        return compare_matrices(answer, reference, rel_tol, depth)
    for swap in (False, True):  # a decimal comma on one side only
        x, y = (b, a) if swap else (a, b)
        match = re.fullmatch(r"(-?\d+),(\d+)", x)
        if match and re.fullmatch(r"-?\d*\.\d+|-?\d+", y):
            decimal = Quantity(float(f"{match[1]}.{match[2]}"), digits=len(match[1] + match[2]))
            if same_quantity(decimal, parse_quantity(y), rel_tol):
                return True
    for rule in (compare_intervals, compare_collections, compare_relations):
        verdict = rule(a, b, rel_tol, depth)
        if verdict is not None:
            return verdict
    if "\\pm" in a or "\\pm" in b or "\\mp" in b:
        return compare_collections(", ".join(both_signs(a)), ", ".join(both_signs(b)), rel_tol, 5)
    return compare_values(a, b, one, two, rel_tol)


def one_way(answer, reference):
    """Both sides with the same habits: 3 mod 7 as 3 where only one side names its modulus, m2 as m_2, nested lists as matrices, infinity with its sign."""
    answer, reference = (
        re.sub(r"\\var(epsilon|phi|theta|rho|sigma|kappa)(?![a-z])", r"\\\1", text)
        for text in (answer, reference)
    )
    moduli = [re.findall(r"\d+", "".join(MODULUS.findall(text))) for text in (answer, reference)]
    if any(moduli) and (moduli[0] == moduli[1] or not all(moduli)):
        answer, reference = (
            re.sub(r"≡|\\equiv\b", "=", MODULUS.sub("", text)) for text in (answer, reference)
        )
    if re.search(r"[A-Za-z]_\{?\d", reference) and "_" not in answer:
        answer = re.sub(r"(?<![A-Za-z\\\d])([A-Za-z])(\d)(?!\d)", r"\1_\2", answer)
    if "matrix" in reference and (
        rows := re.fullmatch(r"\s*\[\s*(\[[^\[\]]*\](?:\s*,\s*\[[^\[\]]*\])*)\s*\]\s*", answer)
    ):
        answer = (
            "\\begin{pmatrix}"
            + r" \\ ".join(row.replace(",", "&") for row in re.findall(r"\[([^\[\]]*)\]", rows[1]))
            + "\\end{pmatrix}"
        )
    return tuple(
        re.sub(r"\b(?:minus|negative)\s+infinity\b", r"-\\infty", text, flags=re.I)
        for text in (answer, reference)
    )


def all_but(text):
    """The value that is left out: 2 of "x \\ne 2", of (-\\infty, 2) \\cup (2, \\infty) and of "all real numbers except 2"; None of anything else."""
    if match := re.fullmatch(
        r"\s*(?:[a-zA-Z]\s*(?:\\neq?(?![a-z])|≠|!=)|all\s+real\s+numbers?\s+except\s+(?:for\s+)?(?:[a-z]\s*=)?)\s*([^,=<>]{1,40}?)[\s.]*",
        text,
        re.I,
    ):
        return match[1]
    gap = (
        intervals(latex.canonical(text))
        if "(" in text and ("cup" in text or "∪" in text or "U" in text)
        else None
    )
    if (
        gap
        and len(gap) == 2
        and gap[0][1].replace(" ", "") == "-\\infty"
        and gap[1][2].replace(" ", "") == "\\infty"
        and gap[0][3] + gap[1][0] == ")("
    ):
        return gap[0][2] if latex.squeeze(gap[0][2]) == latex.squeeze(gap[1][1]) else None
    return None


def phrase(text):
    """Number of the stock phrase (no solution, does not exist, all real numbers) that a text is; None for any other text."""
    flat = (
        re.sub(r"\\text(?:bf|it|rm)?\s*\{([^{}]*)\}|\$", r"\1", text).strip()
        if len(text) < 100
        else ""
    )
    return next((number for number, pattern in enumerate(PHRASES) if pattern.fullmatch(flat)), None)


def same_closed(answer, reference, one, two, rel_tol):
    """ "2\\sqrt{3}" and "2\\sqrt{3} cm": a closed formula with a unit. A bare letter may be a variable, so both sides must have it."""
    x, y = (closed_with_unit(to_ascii_math(text)) for text in (answer, reference))
    if not x and not y:
        return False
    if not x or not y:
        text = answer if x else reference
        if re.search(
            r"[^A-Za-z][A-Za-z]\.?$", strip_wrappers(to_ascii_math(text)).strip()
        ) and not re.search(r"\\(?:text|mathrm)", text):
            return False
    x, y = x or closed(latex.canonical(answer), one), y or closed(latex.canonical(reference), two)
    return bool(x and y and same_quantity(x, y, rel_tol))


def matrix_rows(text):
    """Cells of a matrix, or of a vector in brackets, as rows; None for anything else."""
    text = re.sub(r"\\(?:left|right)\s*[()\[\]|.]|[$]", "", text)
    match = MATRIX.search(text)
    if match and re.fullmatch(r"[\w\s=]*", MATRIX.sub("", text, count=1)):
        return [
            [cell.strip() for cell in row.split("&")]
            for row in re.split(r"\\\\|\\cr", match[2])
            if row.strip()
        ]
    return None


def compare_matrices(a, b, rel_tol, depth):
    one, two = matrix_rows(a), matrix_rows(b)
    if one is None or two is None:
        cells = one or two
        other = INTERVAL.match(b if one else a)
        if not cells or not other or min(len(cells), len(cells[0])) != 1:
            return None
        flat, listed = [c for row in cells for c in row], split_top(other[2])
        return len(flat) == len(listed) and all(
            equal(x, y, rel_tol, depth) for x, y in zip(flat, listed, strict=False)
        )
    return [len(r) for r in one] == [len(r) for r in two] and all(
        equal(x, y, rel_tol, depth)
        for p, q in zip(one, two, strict=False)
        for x, y in zip(p, q, strict=False)
    )


def equal(a, b, rel_tol, depth):
    """compare() for the parts of a structure: what the rules cannot tell goes to the worker."""
    verdict = compare(a, b, rel_tol, depth + 1)
    if verdict is None:
        verdict = worker.equal(b, a) if worth_asking(a, b) else False
    return bool(verdict)


def as_interval(text):
    """An inequality in one unknown as an interval text: "-793 < a < 10" -> "(-793,10)", "x >= 5" -> "[5,\\infty)"; None else."""
    parts = re.split(r"(<=|>=|<|>)", text)
    if (
        len(parts) == 5
        and re.fullmatch(r"\s*[a-zA-Z](?:_\w)?\s*", parts[2])
        and parts[1][0] == parts[3][0]
    ):
        low, first, high, second = (
            (parts[0], parts[1], parts[4], parts[3])
            if parts[1][0] == "<"
            else (parts[4], parts[3], parts[0], parts[1])
        )
        return (
            ("[" if "=" in first else "(")
            + low.strip()
            + ","
            + high.strip()
            + ("]" if "=" in second else ")")
        )
    if len(parts) == 3:
        left, sign, right = (p.strip() for p in parts)
        if re.fullmatch(r"[a-zA-Z](?:_\w)?", right):
            left, right, sign = right, left, sign.translate(str.maketrans("<>", "><"))
        if re.fullmatch(r"[a-zA-Z](?:_\w)?", left) and not re.search(
            r"[a-zA-Z]", right.replace("\\sqrt", "").replace("\\frac", "").replace("\\pi", "")
        ):
            closed_end = "=" in sign
            return (
                f"(-\\infty,{right}" + ("]" if closed_end else ")")
                if sign[0] == "<"
                else ("[" if closed_end else "(") + f"{right},\\infty)"
            )
    return None


def intervals(text):
    """[(open, low, high, close), ...] of a union of intervals, or None."""
    text = re.sub(r"^\s*[a-zA-Z]\s*\\in\s*", "", text)
    found = []
    for part in re.split(r"\\cup|\\bigcup|\bU\b|\s+or\s+", text):
        part = part.strip()
        part = as_interval(part) or part
        match = INTERVAL.match(part)
        ends = split_top(match[2]) if match else ()
        if len(ends) != 2:
            return None
        found.append(
            (
                match[1],
                ends[0].replace("+\\infty", "\\infty"),
                ends[1].replace("+\\infty", "\\infty"),
                match[3],
            )
        )
    return found


def compare_intervals(a, b, rel_tol, depth):
    one, two = intervals(a), intervals(b)
    if one is None or two is None:
        return None
    if len(one) != len(two):
        return False
    left = list(one)
    for low in two:
        hit = next(
            (
                x
                for x in left
                if x[0] == low[0]
                and x[3] == low[3]
                and equal_end(x[1], low[1], rel_tol, depth)
                and equal_end(x[2], low[2], rel_tol, depth)
            ),
            None,
        )
        if hit is None:
            return False
        left.remove(hit)
    return True


def equal_end(a, b, rel_tol, depth):
    if "infty" in a or "infty" in b:
        return a.replace(" ", "") == b.replace(" ", "")
    return equal(a, b, rel_tol, depth)


def collection(text):
    """(kind, parts): kind "set" (any order), "tuple" (ordered), "list" (bare, any order); None for a single value."""
    text = text.strip()
    braces = re.fullmatch(r"\\\{(.*)\\\}|\{(.*)\}", text, re.S)
    if braces:
        return (
            ("list", split_top(braces[2])) if braces[1] is None else ("set", split_top(braces[1]))
        )  # bare braces only group in LaTeX
    parts = split_top(text)
    if len(parts) > 1:
        return "list", parts
    match = INTERVAL.match(text)
    if match:
        inner = split_top(match[2])
        if len(inner) > 1 and balanced(match[2]):
            return match[1] + match[3], inner
    return None


def balanced(text):
    depth = 0
    for sign in text:
        depth += sign in "([{"
        depth -= sign in ")]}"
        if depth < 0:
            return False
    return depth == 0


def compare_collections(a, b, rel_tol, depth):
    named = re.fullmatch(r"\s*(?:[a-zA-Z]_?\w?|\([^()=]*\))\s*(?:=|\\in)\s*(.*)", a, re.S)
    a = named[1] if named and collection(named[1]) and "=" not in named[1] else a
    named = re.fullmatch(r"\s*(?:[a-zA-Z]_?\w?|\([^()=]*\))\s*(?:=|\\in)\s*(.*)", b, re.S)
    b = named[1] if named and collection(named[1]) and "=" not in named[1] else b
    a, b = solution_tuples(a), solution_tuples(b)
    one, two = collection(a), collection(b)
    if one is None and two is None:
        return None
    if one is None or two is None:
        kind, parts = one or two
        if kind in ("list", "set"):
            single = a if one is None else b
            signs = both_signs(single)
            if len(signs) == len(parts) == 2:
                return matched(signs, parts, rel_tol, depth)
            if len(parts) == 1:
                return equal(single, parts[0], rel_tol, depth)
            if any("=" in p for p in parts):
                return None
            numbers = [parse_quantity(p) for p in parts]
            return False if all(numbers) and parse_quantity(single) else None
        return False if len(parts) > 1 and parse_quantity(a if one is None else b) else None
    parts_a = (
        [x for p in one[1] for x in both_signs(p)] if one[0] in ("list", "set") else list(one[1])
    )
    parts_b = (
        [x for p in two[1] for x in both_signs(p)] if two[0] in ("list", "set") else list(two[1])
    )
    if len(parts_a) != len(parts_b):
        if any("=" in p for p in parts_a + parts_b):
            return None
        return False
    kinds = {one[0], two[0]}
    assigned = [assignment(p) for p in parts_a], [assignment(p) for p in parts_b]
    if all(assigned[0]) and all(assigned[1]):
        first, second = dict(assigned[0]), dict(assigned[1])
        if len(first) == len(parts_a) and len(second) == len(parts_b):
            return first.keys() == second.keys() and all(
                equal(first[k], second[k], rel_tol, depth) for k in first
            )
    parts_a = [x[1] if x else p for x, p in zip(assigned[0], parts_a, strict=False)]
    parts_b = [x[1] if x else p for x, p in zip(assigned[1], parts_b, strict=False)]
    if kinds <= {"list", "set"}:
        return matched(parts_a, parts_b, rel_tol, depth)
    if len(parts_a) == 2 and len(kinds) == 2 and kinds <= {"()", "[]", "(]", "[)"}:
        return False
    if kinds & {"(]", "[)"} and len(kinds) > 1:
        return False
    if "set" in kinds and kinds != {"set"}:
        return (
            matched(parts_a, parts_b, rel_tol, depth) if "[]" in kinds or "list" in kinds else False
        )
    return all(equal(x, y, rel_tol, depth) for x, y in zip(parts_a, parts_b, strict=False))


def solution_tuples(text):
    """Solutions in several unknowns as tuples: "p=5, q=2; p=7, q=2" -> "(5,2),(7,2)"."""
    if text.count("=") < 2:
        return text
    pairs = [assignment(p) for p in split_top(text)]
    names = list(dict.fromkeys(p[0] for p in pairs if p))
    if not all(pairs) or len(names) < 2 or len(pairs) % len(names) or len(pairs) == len(names):
        return text
    groups = [pairs[i : i + len(names)] for i in range(0, len(pairs), len(names))]
    if any([name for name, _ in group] != names for group in groups):
        return text
    return ",".join("(" + ",".join(value for _, value in group) + ")" for group in groups)


def assignment(text):
    """("x", "5") of "x = 5"; None for anything else."""
    match = re.fullmatch(r"\s*(\\?[a-zA-Z]+(?:_\{?\w+\}?)?(?:\([a-z]\))?)\s*=\s*([^=<>]+)", text)
    return (match[1].replace("{", "").replace("}", ""), match[2].strip()) if match else None


def matched(parts_a, parts_b, rel_tol, depth):
    """Is there a pairing of the parts, in any order?"""
    if len(parts_a) != len(parts_b):
        return False
    left = list(parts_a)
    for part in parts_b:
        hit = next((x for x in left if equal(x, part, rel_tol, depth)), None)
        if hit is None:
            return False
        left.remove(hit)
    return True


def compare_relations(a, b, rel_tol, depth):
    """Equations and inequalities; "x = 5" against "5" compares the right sides."""
    if not re.search(r"[=<>]|\\ne(?![a-z])|\\approx|\\equiv", a + b):
        return None
    if "\\ne" in a or "\\ne" in b:
        one, two = (re.split(r"\\ne(?![a-z])", t) for t in (a, b))
        return len(one) == len(two) == 2 and (
            equal(one[0], two[0], rel_tol, depth)
            and equal(one[1], two[1], rel_tol, depth)
            or equal(one[0], two[1], rel_tol, depth)
            and equal(one[1], two[0], rel_tol, depth)
        )
    if re.search(r"[<>]", a) or re.search(r"[<>]", b):
        return compare_inequalities(a, b, rel_tol, depth)
    one, two = sides(a), sides(b)
    if len(one) == 1 and len(two) == 1:
        return (
            equal(one[0], two[0], rel_tol, depth)
            if one and two and (a, b) != (one[0], two[0])
            else None
        )
    if len(one) == 1 or len(two) == 1:
        single, chain = (one[0], two) if len(one) == 1 else (two[0], one)
        if is_name(chain[0]) or len(chain) > 2 or "\\approx" in a + b:
            return any(
                equal(*((single, side) if len(one) == 1 else (side, single)), rel_tol, depth)
                for side in chain[1 if is_name(chain[0]) else 0 :]
            )
        if len(one) == 1 and re.search(
            r"\\frac|/|[A-Z]{2}|\(|:", chain[0]
        ):  # "NO/BO = 1/\sqrt 6": the quantity asked for, then its value
            return (
                equal(single, chain[-1], rel_tol, depth)
                if not re.search(r"(?<![a-zA-Z\\])[a-z](?![a-zA-Z])", chain[0])
                or re.search(r"\([a-z]\)", chain[0])
                else False
            )
        if len(two) == 1:
            return equal(chain[-1], single, rel_tol, depth)
        return False
    if is_name(one[0]) and is_name(two[0]) and len(one) > 1 and len(two) > 1:
        if len(one) > 2 or len(two) > 2:
            return equal(one[-1], two[-1], rel_tol, depth)
        if (
            latex.squeeze(one[0]) == latex.squeeze(two[0])
            and (verdict := compare(one[1], two[1], rel_tol, depth + 1)) is not None
        ):
            return verdict
    if len(one) == len(two) == 2:
        verdict = latex.proportional(f"({one[0]})-({one[1]})", f"({two[0]})-({two[1]})")
        return None if verdict is None else bool(verdict)
    return None


def sides(text):
    """The sides of a chain of equations, cut at the equality signs that stand outside braces (not the one of \\sum_{k=0})."""
    text, parts, depth, start = (
        re.sub(r"\\(?:approx|simeq|sim|equiv)(?![a-z])", "=", text),
        [],
        0,
        0,
    )
    for at, sign in enumerate(text):
        depth += (sign in "{(") - (sign in "})")
        if sign == "=" and depth <= 0:
            parts.append(text[start:at])
            start = at + 1
    return [part.strip() for part in [*parts, text[start:]] if part.strip()]


def is_name(text):
    """One symbol, perhaps with an argument: x, X_{d}, f(x), \\theta, \\angle APC, V_max."""
    return (
        bool(
            re.fullmatch(
                r"\s*(?:\\angle|\\triangle|\\overline|m\\angle)?\s*\{?(?:\\?[a-zA-Z]+|[A-Z]{1,4})\}?'?(?:_\{?[\w\s\\,]+\}?)?'?\s*(?:\([a-z](?:,\s*[a-z])*\))?\s*",
                text,
            )
        )
        and len(text) < 30
    )


def compare_inequalities(a, b, rel_tol, depth):
    one, two = re.split(r"(<=|>=|<|>)", a), re.split(r"(<=|>=|<|>)", b)
    if len(one) == len(two) == 3:
        ratio = latex.proportional(f"({one[0]})-({one[2]})", f"({two[0]})-({two[2]})")
        if ratio is None:
            return None
        if ratio is False:
            return False
        flip = ratio.real < 0
        return ("=" in one[1]) == ("=" in two[1]) and (one[1][0] != two[1][0]) == flip
    if len(one) == len(two) == 5:
        straight = (
            all(equal(x, y, rel_tol, depth) for x, y in zip(one[::2], two[::2], strict=False))
            and one[1::2] == two[1::2]
        )
        flipped = [s.translate(str.maketrans("<>", "><")) for s in one[1::2]][::-1]
        return (
            straight
            or flipped == two[1::2]
            and all(
                equal(x, y, rel_tol, depth) for x, y in zip(one[::2][::-1], two[::2], strict=False)
            )
        )
    return None
