"""Formulas as their values at points: most answers need no computer algebra.

agree(r"\\frac{9}{4}π", "2.25π") -> True;  agree("x+1", "x+2") -> False

The texts are spelled (markup.spell). Expressions that agree at points of no special form are the
same for all that a marker can tell (Schwartz-Zippel). No eval, floats only.
"""

import cmath
import functools
import math
import operator
import re
import zlib

from .markup import GREEK

MAX_LENGTH, POINTS = 600, 4
FUNCTIONS = {
    name: getattr(cmath, name)
    for name in "sin cos tan asin acos atan sinh cosh tanh exp sqrt log".split()
} | {
    "ln": cmath.log,
    "cot": lambda x: 1 / cmath.tan(x),
    "sec": lambda x: 1 / cmath.cos(x),
    "csc": lambda x: 1 / cmath.sin(x),
}
NAMES = "|".join(sorted(FUNCTIONS, key=len, reverse=True))
FUNCTION = re.compile(f"pi|arc|{NAMES}")
LETTER = "a-zA-Zα-ωΑ-Ωħℓ∂"
TOKEN = re.compile(
    rf"""\s*(?:(?P<num>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{{1,3}}(?![\w.]))?)
    |\\?(?P<call>{NAMES}|√)(?![a-z]{{4}})
    |\\(?P<command>frac)(?![a-zA-Z])
    |(?P<sym>(?:pi(?![a-z])|(?![a-zA-Z]{{5}})[{LETTER}])       # x_{{max}}, x_0, x0, no words
     (?:\s*_\s*(?:\{{[^{{}}]{{0,30}}\}}|\w)|\d{{1,2}}(?![\d.])){{0,2}})
    |(?P<sign>[-+*/^(){{}}\[\]_]))""",
    re.VERBOSE,
)
SPELLINGS = (
    ("arc(?=sin|cos|tan)", "a"),
    (rf"(?<![\\a-zA-Z])(?:{'|'.join(GREEK)})(?![a-zA-Z])", lambda m: GREEK[m[0]]),
    (r"\\frac\s*(\d)\s?(\d)", r"\\frac{\1}{\2}"),  # \frac12
    (  # 1\frac{4}{5}, 1 4/5
        r"(?<![\d.^_/}])(\d{1,6})(?:\s*\\frac\s*\{|\s)(\d{1,6})(?:\}\s*\{|/)(\d{1,6})(?:\}|(?![\d.]))",
        r"(\1+\2/\3)",
    ),
    (rf"\\(?:hat|vec|mathcal|mathbb)\s*\{{?\s*([{LETTER}])\s*\}}?", r"\1"),
)
BELOW = re.compile(
    r"/\s*(\d*(?:[A-Za-z](?:_\{?\w\}?)?){2,4}|\d+[A-Za-z](?:_\{?\w\}?)?)(?![A-Za-z(])"
)
CONSTANTS = {"e": math.e, "i": 1j, "π": math.pi, "pi": math.pi}
CLOSING = {"(": ")", "[": "]", "{": "}"}
LEVELS = {"+": 1, "-": 1, "*": 2, "/": 2, "": 2, "^": 4}  # how tightly a sign binds
OPERATIONS = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "": operator.mul,
    "/": operator.truediv, "^": operator.pow,
}  # fmt: skip


def tokens_of(text):
    """[(kind, text), ...]: num, call, command, sym, sign. Raises ValueError."""
    for pattern, by in SPELLINGS:
        text = re.sub(pattern, by, text.strip()[: MAX_LENGTH + 1])
    tokens, at = [], 0
    while at < len(text):
        match = TOKEN.match(text, at)
        if not match or len(text) > MAX_LENGTH:
            raise ValueError("outside the grammar")
        tokens.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return tokens


def constant(value):
    return [complex(value)] * POINTS


def apply(function, *columns):
    """A function at every point; nan where it has no value."""
    found = []
    for arguments in zip(*columns, strict=True):
        try:
            found.append(complex(function(*arguments)))
        except (ArithmeticError, ValueError):
            found.append(complex("nan"))
    return found


class Reader:
    """A parser by precedence; names: the unknowns it met."""

    def __init__(self, text):
        self.tokens, self.at = [*tokens_of(text), ("end", "end")], 0
        self.names = set()

    def take(self):
        self.at += 1
        return self.tokens[self.at - 1]

    def comes(self, signs):
        return self.tokens[self.at][1] in signs

    def sign(self):
        """The operator that follows; "" before a factor, as in 2x(x+1)."""
        (last, _), (kind, value) = self.tokens[self.at - 1 : self.at + 1]
        if kind == last == "num":
            raise ValueError("two numbers side by side")
        return "" if value in CLOSING or kind not in ("sign", "end") else value

    def expression(self, level=1):
        """What signs of this level and above hold together."""
        found = self.operand()
        while LEVELS.get(sign := self.sign(), 0) >= level:
            self.at += bool(sign)
            right = self.expression(LEVELS[sign] + (sign != "^"))
            found = apply(OPERATIONS[sign], found, right)
        return found

    def operand(self):
        kind, value = self.take()
        if kind == "num":
            return constant(value)
        if kind == "sym":
            return self.symbol(re.sub(r"[\s{}_^\\]", "", value))
        if kind == "call":
            return self.call(value.replace("√", "sqrt"))
        if kind == "command":
            top = self.operand()
            return apply(operator.truediv, top, self.operand())
        if value in ("+", "-"):
            found = self.expression(3)  # -x^2 is -(x^2)
            return found if value == "+" else apply(operator.neg, found)
        found = self.expression() if value in CLOSING else None
        if found is None or self.take()[1] != CLOSING[value]:
            raise ValueError(value)
        return found

    def symbol(self, name):
        if name in CONSTANTS:
            return constant(CONSTANTS[name])
        self.names.add(name)  # values the same for every call, positive: roots and logs are real
        start = zlib.crc32(name.encode()) * 0.6180339887
        return [complex(0.31 + (start + k * 0.7548776662) % 1 * 1.9) for k in range(POINTS)]

    def call(self, name):
        """A function with its base, power and argument: \\log_2 8, \\sin^2 x, \\sqrt[3]{27}."""
        if name == "sqrt":
            root = self.operand() if self.comes("[") else constant(2)
            return apply(lambda x, n: x ** (1 / n), self.operand(), root)
        marks = {}
        while self.comes("^_"):
            _, mark = self.take()
            marks[mark] = self.operand()
        if marks.get("^") == constant(-1) and name in ("sin", "cos", "tan"):
            name, marks = "a" + name, {}
        found = apply(FUNCTIONS[name], self.argument())
        if "_" in marks:
            found = apply(operator.truediv, found, apply(cmath.log, marks["_"]))
        return apply(operator.pow, found, marks["^"]) if "^" in marks else found

    def argument(self):
        """(...), or factors side by side: sin 2x means sin(2x)."""
        if self.comes("({["):
            return self.operand()
        found = self.expression(LEVELS["^"])
        while self.tokens[self.at][0] in ("num", "sym", "command"):
            found = apply(operator.mul, found, self.expression(LEVELS["^"]))
        return found


@functools.lru_cache(maxsize=4096)
def read(text):
    """(names of the unknowns, values at the points), or None."""
    try:
        reader = Reader(text)
        values = reader.expression()
    except (ValueError, RecursionError):
        return None
    return (reader.names, values) if reader.take()[0] == "end" else None


def number(text):
    """The complex value of an expression without unknowns; None of anything else."""
    found = read(text)
    return found[1][0] if found and not found[0] and cmath.isfinite(found[1][0]) else None


def agree(one, two):
    """Are two expressions the same function, as written or with t/RC as t/(RC), as physicists mean
    it? None where either has no values."""
    for texts in ((one, two), tuple(BELOW.sub(r"/(\1)", text) for text in (one, two))):
        found = [read(text) for text in texts]
        pairs = zip(found[0][1], found[1][1], strict=True) if all(found) else ()
        pairs = [pair for pair in pairs if all(map(cmath.isfinite, pair))]
        if len(pairs) < 3:
            return None
        if all(cmath.isclose(*pair, rel_tol=1e-8, abs_tol=1e-12) for pair in pairs):
            return True
    return False
