"""One spelling for answers: boxes, Markdown, LaTeX and Unicode taken to plain text once, before
anything is compared.

plain("so **(B)**, \\\\boxed{5}") -> "so (B),  Answer: 5 \\n"          for words
spell(r"\\dfrac{1}{2}\\,\\text{cm}") -> r"\\frac{1}{2} cm"               for mathematics
"""

import csv
import functools
import re
import unicodedata
from pathlib import Path

TABLES = Path(__file__).parent / "tables"
MAX_LENGTH = 4000  # characters; longer texts are no answers
GREEK = """alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau
    upsilon phi chi psi omega""".split()


def read_table(name):
    """The rows of tables/NAME.csv as dicts."""
    with open(TABLES / f"{name}.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


COMMANDS, CHARACTERS = {}, {}  # "\\le" -> "<=";  "≤" -> "<="
for _row in read_table("spellings"):
    COMMANDS.update((command, _row["sign"]) for command in _row["commands"].split())
    CHARACTERS.update((char, _row["sign"]) for char in _row["characters"].split())
for _name in GREEK:
    _greek = _name.replace("lambda", "lamda").upper()  # as Unicode spells it
    COMMANDS[f"\\{_name}"] = unicodedata.lookup(f"GREEK SMALL LETTER {_greek}")
    COMMANDS[f"\\{_name.title()}"] = unicodedata.lookup(f"GREEK CAPITAL LETTER {_greek}")
    COMMANDS[f"\\var{_name}"] = COMMANDS[f"\\{_name}"]
COMMANDS["\\varnothing"] = "∅"
CHARACTER_TABLE = str.maketrans(
    CHARACTERS | {"\u200b": ""} | dict.fromkeys("\u00a0\u2009\u202f", " ")
)

WRAP = re.compile(
    r"""\\(?:text(?:bf|it|rm|normal|sf|tt|up)?|math(?:rm|bf|sf|it|tt|normal)|operatorname\*?
        |[mh]box|boldsymbol|bold|bf|rm|unit|si)\s*
        \{((?:[^{}]|\{[^{}]{0,200}\}){0,400}+)\}""",
    re.VERBOSE,
)
NOISE = re.compile(
    r"""\*{2,}|(?<![\d\s)])\*|\*(?![\d\s(])   # **bold**, *italic*, not 2 * 3
    |`+|\$+|~|_{2,}|(?<!\w)_(?=\w)|(?<=\w)_(?![\w{])
    |\\[()\[\],;:!> ]|\\q?quad\b|\\(?:left|right|displaystyle|bf|rm)\b|\\\\
    |</?(?:b|i|strong|em|u|p|answer|ans|final|br)\s*/?>""",
    re.VERBOSE,
)
BOX = re.compile(
    r"(?:\\(?:boxed|fbox|framebox)|\x08oxed|(?<![A-Za-z\\])boxed(?=\{))\s*(\{|[A-Za-z0-9])"
)
MARKS = re.compile(r"[*`\\$~<_]")
SCRIPTS = {"^": ("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n"), "_": ("₀₁₂₃₄₅₆₇₈₉₊₋ₙ", "0123456789+-n")}
SIZES = re.compile(
    r"""\\(?:left|right|[bB]igg?[lrm]?|displaystyle|textstyle|limits|rm|bf|it|q?quad)(?![a-zA-Z])\.?
        |(?<!\\)\\[,;:>\ !()\[\]]|~""",
    re.VERBOSE,
)
SMALL_SPACE = re.compile(r"(?<=\d)\s*,\s*\\!\s*(?=\d{3})|(?<=\d)\s?\{\s?,\s?\}\s?(?=\d{3})")
THOUSANDS = re.compile(r"(?<![\d,.^_])([1-9]\d{0,2}(?:,\d{3})+)(?![\d,])")
PAIR = re.compile(r"[(\[{]\s*\d+,\d+\s*[)\]}]")  # (100,200) are two numbers
DEGREE = re.compile(r"\^\s*\{?\s*(?:\\circ|\\degree|°)(?![a-z])\s*\}?")
TEN = re.compile(  # 3 x 10^8, 1.6 * 10-19
    r"(?<=\d)\s*[xX*]\s*10(?:\s*\^\s*|\s?([-+]\d{1,2})(?![\d.]))"
)
COMMAND = re.compile(r"\\[a-zA-Z]+|\\[$%|]")


def boxes(text):
    """(start, end, content) of every \\boxed{...} or \\fbox{...}, braces balanced; linear in the
    text."""
    found, at = [], 0
    for match in BOX.finditer(text):
        if match.start() < at:
            continue
        if match[1] != "{":
            found.append((match.start(), match.end(), match[1]))
            continue
        depth, at = 1, match.end()
        for at in range(match.end(), min(len(text), match.end() + 5000)):
            if text[at] in "{}" and text[at - 1] != "\\":
                depth += 1 if text[at] == "{" else -1
                if not depth:
                    found.append((match.start(), at + 1, text[match.end() : at]))
                    break
        at += 1
    return found


def unwrap(text):
    """\\text{cm}, \\mathrm{cm} and their like as " cm "; two levels deep."""
    for _ in range(2):
        text = WRAP.sub(r" \1 ", re.sub(rf"([_^])\s*{WRAP.pattern}", r"\1{\2}", text, flags=re.X))
    return text


def plain(text):
    """Markdown, LaTeX wrappers and quotes of looks taken off; a box becomes a statement "Answer:
    ..."."""
    if "\\" in text or "oxed{" in text:
        found = boxes(text)
        if found:
            parts, at = [], 0
            for start, end, content in found:
                parts += [text[at:start], " Answer: ", content, " \n" if content.strip() else ""]
                at = end
            text = "".join(parts) + text[at:]
        for _ in range(2):
            text = WRAP.sub(r"\1", text)
    if MARKS.search(text):  # "A*~~~~~~": long runs of spaces take cubic time in the readers
        text = re.sub(r" {4,}", "   ", NOISE.sub("", text.replace("~", " ")))
    return text if text.isascii() else flat_scripts(text)


def scripts(text):
    """10⁻³ as 10^{-3}, x₁ as x_{1}, ½ as 1/2."""
    if text.isascii():
        return text
    for sign, (raised, flat) in SCRIPTS.items():
        table = str.maketrans(raised, flat)
        text = re.sub(f"[{raised}]+", lambda m: f"{sign}{{{m[0].translate(table)}}}", text)  # noqa: B023
    text = re.sub(r"(?<=\d)(?=[½⅓⅔¼¾⅛])", " ", text)
    return re.sub("[½⅓⅔¼¾⅛]", lambda m: unicodedata.normalize("NFKC", m[0]).replace("⁄", "/"), text)


def flat_scripts(text):
    """For words: 10⁻³ as 10^{-3}, H₂O as H2O, other signs in their plain spelling."""
    text = re.sub(r"(?<!\d)[₀-₉]+", lambda m: unicodedata.normalize("NFKC", m[0]), text)
    return scripts(text).translate(CHARACTER_TABLE)


@functools.lru_cache(maxsize=2048)
def spell(text):
    """Mathematics in one spelling: signs as single characters, \\frac and \\sqrt as the only kinds
    kept, no looks."""
    text = scripts(text.strip()[:MAX_LENGTH])
    text = "∼" + text[1:] if text[:1] == "~" else text
    if "\\" in text or "{" in text or "$" in text:
        text = SMALL_SPACE.sub(",", text)
        text = unwrap(DEGREE.sub("°", text.replace("\\ce{", "\\text{")))
        dollar = "¤" if text.count("$") == 1 and re.match(r"\s*-?\s*\$\s*[\d.]", text) else " "
        text = text.replace("\\$", "¤").replace("$", dollar).replace("{10}", "10")
        text = SIZES.sub(" ", text)
        text = COMMAND.sub(lambda m: COMMANDS.get(m[0], m[0]), text)
    text = text.translate(CHARACTER_TABLE).replace("**", "^") if text else text
    text = re.sub(r"(?<!\d)!=", "≠", text).replace("hbar", "ħ")
    text = TEN.sub(lambda m: "*10^" + (f"{{{m[1]}}}" if m[1] else ""), text)
    if "," in text and not PAIR.search(text):
        text = THOUSANDS.sub(lambda m: m[1].replace(",", ""), text)
    text = " ".join(text.split())
    return (
        text[:-1].rstrip() if text.endswith((".", ",", ";")) and not text.endswith("..") else text
    )


def squeeze(text):
    """Spelled text without spaces, stars and idle braces: equal squeezed texts are one answer."""
    text = re.sub(r"\\(frac|sqrt)(?![a-zA-Z]) *(?=[a-zA-Z])", r"\\\1@", text)
    text = re.sub(r"([_^])\{(\w)\}", r"\1\2", re.sub(r"\s+", "", text))
    text = re.sub(r"\\frac(\d)(\d)(?!\d)", r"\\frac{\1}{\2}", text)
    return re.sub(r"(?<!\d)\.(?=\d)", "0.", text).replace("*", "")
