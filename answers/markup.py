"""One spelling for answers: boxes, Markdown, LaTeX and Unicode taken to plain text.

plain("so **(B)**, \\\\boxed{5}") -> "so (B),  Answer: 5 \\n"          for words
spell(r"\\dfrac{1}{2}\\,\\text{cm}") -> r"\\frac{1}{2} cm"               for mathematics
"""

import functools
import re
import unicodedata

MAX_LENGTH = 4000  # characters; longer texts are no answers
NAMES = """alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau
    upsilon phi chi psi omega""".split()
GREEK = dict(zip(NAMES, "αβγδεζηθικλμνξπρστυφχψω", strict=True))
SIGNS = r"""<= \le \leq \leqslant ≤ ⩽
>= \ge \geq \geqslant ≥ ⩾
< \lt
> \gt
≠ \ne \neq
* \cdot \times \ast × · ⋅ ∙ ∗
/ \div ÷ ⁄ ∕
- − – ‒
≈ \approx \simeq \cong ≃ ≅
∼ \sim
∝ \propto
≡ \equiv
± \pm
∓ \mp
∞ \infty \infinity
∪ \cup \bigcup
∩ \cap
∈ \in
∅ \emptyset \varnothing
∠ \angle
→ \to \rightarrow \longrightarrow \Rightarrow \implies ⟶ ⇒
° \degree \textdegree \circ º ˚
ħ \hbar
∂ \partial
' \prime ′ ’
% \%
¤ \$
| \lvert \rvert \vert \mid \|
( \langle ⟨ 〈
) \rangle ⟩ 〉
\frac \dfrac \tfrac \cfrac
Å \AA
: \colon
. 。
\mathbb{R} ℝ
\mathbb{Z} ℤ"""
COMMANDS = {other: sign for sign, *others in map(str.split, SIGNS.split("\n")) for other in others}
for _name, _letter in GREEK.items():
    COMMANDS |= {f"\\{_name}": _letter, f"\\{_name.title()}": _letter.upper()}
    COMMANDS.setdefault(f"\\var{_name}", _letter)
CHARACTERS = str.maketrans({key: sign for key, sign in COMMANDS.items() if len(key) == 1})
COMMAND = re.compile(r"\\[a-zA-Z]+|\\[$%|]")
WRAP = re.compile(
    r"""\\(?:text(?:bf|it|rm|normal|sf|tt|up)?|math(?:rm|bf|sf|it|tt|normal)|unit|si
        |operatorname\*?|[mh]box|boldsymbol|bold|bf|rm)\s*
        \{((?:[^{}]|\{[^{}]{0,200}\}){0,400}+)\}""",
    re.VERBOSE,
)
LOOKS = re.compile(
    r"""\\(?:left|right|[bB]igg?[lrm]?|displaystyle|textstyle|limits|rm|bf|it|q?quad)(?![a-zA-Z])\.?
        |(?<!\\)\\[,;:>\ !()\[\]]|~""",
    re.VERBOSE,
)
MARKDOWN = re.compile(  # each form begins with its sign, so that re skips other letters quickly
    r"""\*{2,}|\*(?:(?<![\d\s)]\*)|(?![\d\s(]))   # **bold**, *italic*, not 2 * 3
    |`+|\$+|_{2,}|_(?:(?<!\w_)(?=\w)|(?<=\w_)(?![\w{]))|\\\\
    |</?[a-z]{1,6}\s?/?>""",
    re.VERBOSE,
)
MARKS = re.compile(r"[*`\\$~<_]")
BOX = re.compile(
    r"(?:\\(?:boxed|fbox|framebox)|\x08oxed|(?<![A-Za-z\\])boxed(?=\{))\s*(\{|[A-Za-z0-9])"
)
BRACE = re.compile(r"\\[{}]|[{}]")
COMMA = re.compile(r"(?<=\d)(?:\s*,\s*\\!\s*|\s?\{\s?,\s?\}\s?)(?=\d{3})")  # 1,\!000; 1{,}000
THOUSANDS = re.compile(r"(?<![\d,.^_])([1-9]\d{0,2}(?:,\d{3})+)(?![\d,])")
PAIR = re.compile(r"[(\[{]\s*\d+,\d+\s*[)\]}]")  # (100,200) are two numbers
DEGREE = re.compile(r"\^\s*\{?\s*(?:\\circ|\\degree|°)(?![a-z])\s*\}?")
TEN = re.compile(  # 3 x 10^8, 1.6 * 10-19
    r"(?<=\d)\s*[xX*]\s*10(?:\s*\^\s*|\s?([-+]\d{1,2})(?![\d.]))"
)


def boxes(text):
    """(start, end, content) of every \\boxed{...}, braces balanced; linear in the text."""
    found, at = [], 0
    while match := BOX.search(text, at):
        start = at = match.end()
        if match[1] != "{":
            found.append((match.start(), at, match[1]))
            continue
        depth, at = 1, min(start + 5000, len(text))
        for brace in BRACE.finditer(text, start, at):
            depth += {"{": 1, "}": -1}.get(brace[0], 0)
            if not depth:
                at = brace.end()
                found.append((match.start(), at, text[start : brace.start()]))
                break
    return found


def scripts(text):
    """10⁻³ as 10^{-3}, x₁ as x_{1}, 2½ as 2 1/2, other signs in their plain spelling."""
    if text.isascii():
        return text
    text = re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ]+", r"^{\g<0>}", re.sub("[₀-₉₊₋ₙ]+", r"_{\g<0>}", text))
    text = re.sub(r"(?<=\d)(?=[½⅓⅔¼¾⅛])", " ", text.translate(CHARACTERS)).replace("\u200b", "")
    return unicodedata.normalize("NFKC", text).translate(CHARACTERS)


def unwrap(text):
    """\\text{cm}, \\mathrm{cm} as " cm ", V_\\mathrm{max} as V_{max}; two levels deep."""

    def inside(match):
        script = match.string[match.start() - 1 : match.start()] in ("_", "^")
        return f"{{{match[1]}}}" if script else f" {match[1]} "

    return WRAP.sub(inside, WRAP.sub(inside, text))


def plain(text):
    """Markdown, LaTeX wrappers and looks taken off; a box becomes a statement "Answer: ..."."""
    for start, end, content in reversed(boxes(text)):
        text = f"{text[:start]} Answer: {content} {chr(10) if content.strip() else ''}{text[end:]}"
    if MARKS.search(text):
        text = MARKDOWN.sub("", LOOKS.sub(" ", unwrap(COMMA.sub(",", text))))
        text = re.sub(r" {4,}", "   ", text)  # long runs take cubic time in the readers
    return scripts(text)


@functools.lru_cache(maxsize=2048)
def spell(text):
    """Mathematics in one spelling: signs as single characters, one \\frac, no looks."""
    text = scripts(text.strip()[:MAX_LENGTH])
    text = "∼" + text[1:] if text[:1] == "~" else text
    if "\\" in text or "{" in text or "$" in text:
        text = unwrap(DEGREE.sub("°", COMMA.sub(",", text.replace("\\ce{", "\\text{"))))
        money = text.count("$") == 1 and re.match(r"\s*-?\s*\$\s*[\d.]", text)
        text = re.sub(r"(?<!\\)\$", "¤" if money else " ", text)
        text = COMMAND.sub(lambda m: COMMANDS.get(m[0], m[0]), LOOKS.sub(" ", text))
    text = re.sub(r"(?<!\d)!=", "≠", text.replace("**", "^")).replace("hbar", "ħ")
    text = TEN.sub(lambda m: "*10^" + (f"{{{m[1]}}}" if m[1] else ""), text)
    if "," in text and not PAIR.search(text):
        text = THOUSANDS.sub(lambda m: m[1].replace(",", ""), text)
    return re.sub(r"\s*(?<!\.)[.,;]$", "", " ".join(text.split()))


def squeeze(text):
    """Spelled text without spaces, stars, idle braces: equal squeezed texts are one answer."""
    text = re.sub(r"([_^])\{(\w)\}", r"\1\2", re.sub(r"\s+", "", text))
    return re.sub(r"(?<!\d)\.(?=\d)", "0.", text).replace("*", "")
