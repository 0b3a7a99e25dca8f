"""A small reader of LaTeX and plain-text formulas: turns them into numbers at chosen points, so that most answers need no computer algebra.

    agree(r"\\frac{9}{4}\\pi", r"2.25\\pi") -> True;  agree("x+1", "x+2") -> False;  agree("f \\circ g", "h") -> None (cannot read it)

Two expressions that agree at four points of no special form are the same expression for all that a marker can tell
(Schwartz-Zippel). Nothing is evaluated but this grammar: no eval, no recursion deeper than MAX_DEPTH, floats only.
"""

import cmath
import functools
import math
import re

from .units import to_ascii_math

MAX_LENGTH, MAX_DEPTH = 600, 40
GREEK = set("alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho sigma tau upsilon phi varphi chi psi omega "
            "Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega ell hbar varnothing".split())  # fmt: skip
FUNCTIONS = {
    "sin": cmath.sin, "cos": cmath.cos, "tan": cmath.tan, "cot": lambda x: 1 / cmath.tan(x), "sec": lambda x: 1 / cmath.cos(x), "csc": lambda x: 1 / cmath.sin(x),
    "arcsin": cmath.asin, "arccos": cmath.acos, "arctan": cmath.atan, "asin": cmath.asin, "acos": cmath.acos, "atan": cmath.atan, "sinh": cmath.sinh,
    "cosh": cmath.cosh, "tanh": cmath.tanh, "ln": cmath.log, "exp": cmath.exp, "sqrt": cmath.sqrt, "abs": abs, "floor": lambda x: complex(math.floor(x.real)),
    "ceil": lambda x: complex(math.ceil(x.real)), "log": cmath.log,
}  # fmt: skip
SKIP = re.compile(
    r"\\(?:left|right|bigl|bigr|Bigl|Bigr|big|Big|bigg|Bigg|displaystyle|textstyle|limits|rm|bf|mathrm|mathbf|mathit|boldsymbol|text|textrm|textnormal|textsf|texttt|textbf|textit|operatorname|mbox|vec|hat)(?![a-zA-Z])\*?\.?|\\[,;:!> ]|~|\\q?quad|\$|&"
)
TOKEN = re.compile(
    r"\s*(?:(?P<num>\d+(?:\.\d+)?|\.\d+)|\\(?P<cmd>[a-zA-Z]+|[{}|%])|(?P<word>sqrt|arcsin|arccos|arctan|sinh|cosh|tanh|sin|cos|tan|cot|sec|csc|log|ln|exp|abs|infinity|inf|pi(?![a-z]))|(?P<letter>[a-zA-Zα-ωΑ-Ω])|(?P<op>\*\*|[-+*/^_(){}\[\]|!%°',]))"
)


class Unreadable(ValueError):
    """The text is outside the grammar, or its value outside the floats."""


@functools.lru_cache(maxsize=2048)
def canonical(text):
    """LaTeX with the looks taken off: one spelling for fractions, signs, spaces, degrees, thousands; still text."""
    text = to_ascii_math(text)
    text = (
        text.replace("\\dfrac", "\\frac")
        .replace("\\tfrac", "\\frac")
        .replace("\\cfrac", "\\frac")
        .replace("{,}", ",")
        .replace("\\$", "")
        .replace("\\%", "%")
    )
    text = re.sub(r"(?<=\d)\s*,\s*\\!\s*(?=\d{3})", ",", text)
    text = re.sub(r"\^\s*\{?\s*\\(?:circ|degree)\s*\}?|\\degree\b|\^\s*°|\\circ\b", "°", text)
    text = re.sub(r"\\(?:leqslant|leq|le)\b", "<=", re.sub(r"\\(?:geqslant|geq|ge)\b", ">=", text))
    text = re.sub(
        r"\\lt\b", "<", re.sub(r"\\gt\b", ">", re.sub(r"\\(?:neq|ne)\b|!=", "\\\\ne ", text))
    )
    text = (
        text.replace("\\lbrace", "\\{")
        .replace("\\rbrace", "\\}")
        .replace("\\lfloor", "\\floor(")
        .replace("\\rfloor", ")")
        .replace("\\lceil", "\\ceil(")
        .replace("\\rceil", ")")
    )
    text = re.sub(r"\\(?:hat|vec)\s*\{\s*([a-z])\s*\}", r" \1 ", text)  # unit vectors
    text = re.sub(r"^\s*<([^<>=]+,[^<>=]+)>\s*$", r"(\1)", text.replace("∠", "\\angle "))
    text = (
        text.replace("\\lvert", "|")
        .replace("\\rvert", "|")
        .replace("\\vert", "|")
        .replace("\\|", "|")
        .replace("\\langle", "(")
        .replace("\\rangle", ")")
    )
    text = re.sub(
        r"\\(?:text|textbf|textit|textrm|textnormal|textsf|texttt|mathrm|mathbf|mathit|operatorname|mbox)\s*\{([^{}]*)\}",
        r" \1 ",
        text,
    )
    text = SKIP.sub(" ", text)
    text = re.sub(
        r"(?<![\d,.])([1-9]\d{0,2}(?:,\d{3})+)(?![\d,])", lambda m: m[1].replace(",", ""), text
    )
    text = (
        re.sub(r"\\(?:times|cdot|ast)(?![a-zA-Z])", "*", text)
        .replace("\\div", "/")
        .replace("\\infinity", "\\infty")
    )
    text = re.sub(r"\s+", " ", text).strip()
    return text[:-1].rstrip() if text.endswith((".", ",", ";")) else text


def squeeze(text):
    """Canonical text without spaces and idle braces: equal squeezed texts are the same answer."""
    text = canonical(text)
    text = re.sub(
        r"\s+", "", re.sub(r"\\(frac|sqrt|pi|infty)(?![a-zA-Z]) +(?=[a-zA-Z])", r"\\\1@", text)
    )
    text = re.sub(r"([_^])\{(\w)\}", r"\1\2", text)
    text = re.sub(r"\\frac(\d)(\d)(?!\d)", r"\\frac{\1}{\2}", text)
    return re.sub(r"(?<!\d)\.(?=\d)", "0.", text).replace("**", "^").replace("*", "")


class Parser:
    """Recursive descent over TOKEN; parse() gives nested tuples: ("num", 2.0), ("sym", "x"), ("+", a, b), ("call", name, argument)."""

    def __init__(self, text):
        text = canonical(text)
        if len(text) > MAX_LENGTH:
            raise Unreadable("too long")
        self.tokens, at = [], 0
        while at < len(text):
            match = TOKEN.match(text, at)
            if not match or match.end() == at:
                if text[at:].isspace():
                    break
                raise Unreadable(f"cannot read {text[at : at + 20]!r}")
            kind = match.lastgroup
            value = match[kind]
            if (
                kind == "letter"
                and re.match(r"[a-zA-Z]{3,}", text[match.start(kind) :])
                and not re.match(r"[a-zA-Z]{1,4}(?:[^a-zA-Z]|$)", text[match.start(kind) :])
            ):
                raise Unreadable("a word")
            self.tokens.append(("cmd", value) if kind == "word" else (kind, value))
            at = match.end()
        self.at = self.depth = 0

    def peek(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else (None, None)

    def take(self, value=None):
        token = self.peek()
        if token[0] is None or value is not None and token[1] != value:
            raise Unreadable(f"expected {value!r}, found {token[1]!r}")
        self.at += 1
        return token

    def parse(self):
        tree = self.sum()
        if self.at != len(self.tokens):
            raise Unreadable(f"left over: {self.peek()[1]!r}")
        return tree

    def sum(self):
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unreadable("too deep")
        tree = None
        while self.peek()[1] in ("+", "-") or tree is None:
            sign = self.take()[1] if self.peek()[1] in ("+", "-") else "+"
            while self.peek()[1] in ("+", "-"):
                sign = "-" if (self.take()[1] == "-") != (sign == "-") else "+"
            term = self.product()
            tree = (
                ("neg", term)
                if tree is None and sign == "-"
                else term
                if tree is None
                else (sign, tree, term)
            )
        self.depth -= 1
        return tree

    def product(self):
        tree = self.factor()
        while True:
            kind, value = self.peek()
            if value in ("*", "/") and kind == "op":
                self.take()
                negative = self.peek()[1] == "-" and self.take()
                right = self.factor()
                tree = (value, tree, ("neg", right) if negative else right)
            elif (
                kind in ("num", "letter")
                or kind == "op"
                and value in ("(", "{", "[")
                or kind == "cmd"
                and value not in ("}", "|", "%")
            ):
                before = self.at
                right = self.factor()
                mixed = (
                    tree[0] == "num"
                    and isinstance(tree[1], float)
                    and tree[1].is_integer()
                    and self.tokens[before][1] in ("frac",)
                    and right[0] == "/"
                    and right[1][0] == right[2][0] == "num"
                )
                tree = ("+" if mixed else "*", tree, right)
            elif value == "|" and kind == "op" and not getattr(self, "bars", 0):
                tree = ("*", tree, self.factor())
            else:
                return tree

    def factor(self):
        tree = self.base()
        while self.peek()[0] == "op" and self.peek()[1] in ("^", "**", "!", "%", "°", "'", "_"):
            operator = self.take()[1]
            if operator in ("^", "**"):
                if self.peek()[1] in ("'", "*"):
                    raise Unreadable("a prime")
                tree = ("^", tree, self.group())
            elif operator == "!":
                tree = ("call", "!", tree)
            elif operator == "%":
                tree = ("/", tree, ("num", 100.0))
            elif operator == "°":  # 30° and 30 are the same answer, sin 30° and sin 30 are not
                tree = (
                    ("*", tree, ("num", math.pi / 180)) if getattr(self, "angle", False) else tree
                )
            elif operator == "_" and tree[0] == "sym":
                tree = ("sym", tree[1] + "_" + self.subscript())
            else:
                raise Unreadable(operator)
        return tree

    def subscript(self):
        if self.peek()[1] != "{":
            return str(self.take()[1])
        self.take("{")
        name = ""
        while self.peek()[1] != "}":
            name += str(self.take()[1])
        self.take("}")
        return name

    def group(self):
        """The argument of ^, \\frac or \\sqrt: {...}, a sign and factor, or one token (\\frac12)."""
        kind, value = self.peek()
        if value == "{":
            self.take()
            tree = self.sum()
            self.take("}")
            return tree
        if value in ("-", "+"):
            self.take()
            return ("neg", self.group()) if value == "-" else self.group()
        if value == "(":
            return self.base()
        if (
            kind == "num"
            and self.tokens[self.at - 1][1] in ("frac", "}", "sqrt")
            and len(value) == 2
            and value.isdigit()
            and self.tokens[self.at - 1][1] == "frac"
        ):
            self.tokens[self.at] = ("num", value[1])  # \frac12: two digits, two arguments
            return ("num", float(value[0]))
        return self.base()

    def base(self):
        kind, value = self.take()
        if kind == "num":
            return ("num", float(value))
        if kind == "letter":
            return {"e": ("num", math.e), "i": ("num", 1j)}.get(value, ("sym", value))
        if kind == "op" and value in ("(", "[", "{"):
            tree = self.sum()
            closing = self.take()[1]
            if closing != {"(": ")", "[": "]", "{": "}"}[value]:
                raise Unreadable("brackets differ")
            return tree
        if kind == "op" and value == "|":
            self.bars = getattr(self, "bars", 0) + 1
            tree = self.sum()
            self.take("|")
            self.bars -= 1
            return ("call", "abs", tree)
        if kind == "cmd":
            return self.command(value)
        raise Unreadable(f"{value!r}")

    def command(self, name):
        if name in ("frac", "binom", "dbinom", "tbinom"):
            top = self.group()
            bottom = self.group()
            return ("/", top, bottom) if name == "frac" else ("binom", top, bottom)
        if name == "pi":
            return ("num", math.pi)
        if name in ("infty", "infinity", "inf"):
            return ("sym", "infty")
        if name in GREEK:
            return ("sym", "\\" + name)
        if name == "sqrt" and self.peek()[1] == "[":
            self.take()
            root = self.sum()
            self.take("]")
            return ("^", self.group(), ("/", ("num", 1.0), root))
        if name not in FUNCTIONS:
            raise Unreadable("\\" + name)
        power = base = None
        while self.peek()[1] in ("^", "_", "**"):
            if self.take()[1] == "_":
                base = self.group()
            else:
                power = self.group()
        outside, self.angle = (
            getattr(self, "angle", False),
            name in ("sin", "cos", "tan", "sec", "csc", "cot"),
        )
        if name == "sqrt":
            argument = self.group()
        elif self.peek()[1] in ("(", "{", "["):
            argument = self.base()
            while self.peek()[1] == "^" and power is None:
                self.take()
                power = self.group()
        else:
            argument = self.juxtaposed()
        self.angle = outside
        if power == ("neg", ("num", 1.0)) and name in ("sin", "cos", "tan"):
            name, power = "arc" + name, None
        tree = ("call", name, argument)
        if base is not None:
            tree = ("/", tree, ("call", "ln", base))
        return tree if power is None else ("^", tree, power)

    def juxtaposed(self):
        """sin 2x means sin(2x): the argument runs over factors written side by side."""
        tree = self.factor()
        while (
            self.peek()[0] in ("num", "letter")
            or self.peek()[0] == "cmd"
            and (self.peek()[1] in GREEK or self.peek()[1] in ("pi", "frac"))
        ):
            tree = ("*", tree, self.factor())
        return tree


def symbols(tree, found=None):
    found = set() if found is None else found
    if tree[0] == "sym":
        found.add(tree[1])
    for part in tree[1:]:
        if isinstance(part, tuple):
            symbols(part, found)
    return found


def value_at(tree, point):
    """The complex value of a tree where each symbol has the value that point gives it; raises Unreadable outside the floats."""
    try:
        value = _value(tree, point)
    except (ArithmeticError, ValueError, TypeError, RecursionError) as error:
        raise Unreadable(str(error)) from None
    if isinstance(value, complex) and (cmath.isnan(value) or cmath.isinf(value)):
        raise Unreadable("not finite")
    return value


def _value(tree, point):
    operator = tree[0]
    if operator == "num":
        return complex(tree[1])
    if operator == "sym":
        if tree[1] not in point:
            raise ValueError("no value for " + tree[1])
        return point[tree[1]]
    if operator == "neg":
        return -_value(tree[1], point)
    if operator == "call":
        argument = _value(tree[2], point)
        return complex(gamma(argument + 1) if tree[1] == "!" else FUNCTIONS[tree[1]](argument))
    left, right = _value(tree[1], point), _value(tree[2], point)
    if operator == "+":
        return left + right
    if operator == "-":
        return left - right
    if operator == "*":
        return left * right
    if operator == "/":
        return left / right
    if operator == "^":
        if left.imag == right.imag == 0 and (left.real > 0 or right.real.is_integer()):
            return complex(left.real**right.real)
        return left**right
    return complex(gamma(left + 1) / (gamma(right + 1) * gamma(left - right + 1)))


def gamma(value):
    if abs(value.imag) > 1e-12 or abs(value.real) > 170:
        raise ValueError("gamma of a complex or large number")
    return math.gamma(value.real)


@functools.lru_cache(maxsize=4096)
def read(text):
    """The tree of a formula, or None."""
    try:
        return Parser(text).parse()
    except (Unreadable, RecursionError):
        return None


def points(names):
    """Four assignments of no special form, the same for every call: all positive, so that roots and logarithms are real."""
    order = sorted(names)
    return [
        {
            name: complex(0.31 + ((i * 0.6180339887 + k * 0.7548776662 + 0.137) % 1) * 1.9)
            for i, name in enumerate(order)
        }
        for k in range(4)
    ]


def number(text):
    """The value of a closed expression ("\\frac{9}{4}\\pi"), complex, or None where there are unknowns or it cannot be read."""
    tree = read(text)
    if tree is None or symbols(tree):
        return None
    try:
        return value_at(tree, {})
    except Unreadable:
        return None


def near(one, two):
    return abs(one - two) <= 1e-8 * max(
        abs(one), abs(two), 1e-3 if abs(one) < 1e-9 or abs(two) < 1e-9 else 0
    )


def agree(one, two):
    """Are two expressions the same function? True, False, or None where either cannot be read or evaluated."""
    left, right = read(one), read(two)
    if left is None or right is None:
        return None
    names = symbols(left) | symbols(right)
    if "infty" in names:
        return None
    checked = 0
    places = points(names) if names else [{}]
    if "abs" in one + two or "|" in one + two:
        places = places + [{name: -value for name, value in point.items()} for point in places[:2]]
    for point in places:
        try:
            a, b = value_at(left, point), value_at(right, point)
        except Unreadable:
            continue
        if not near(a, b):
            return False
        checked += 1
    return True if checked >= (3 if names else 1) else None


def proportional(one, two):
    """The constant c with one = c * two at all points (equations f = 0), else False; None where they cannot be read."""
    left, right = read(one), read(two)
    if left is None or right is None:
        return None
    ratios = []
    for point in points(symbols(left) | symbols(right)):
        try:
            a, b = value_at(left, point), value_at(right, point)
            if abs(b) > 1e-9:
                ratios.append(a / b)
        except Unreadable:
            continue
    if len(ratios) < 3:
        return None
    return ratios[0] if abs(ratios[0]) > 1e-9 and all(near(r, ratios[0]) for r in ratios) else False
