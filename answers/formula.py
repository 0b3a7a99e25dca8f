"""Formulas as their values at points: most answers need no computer algebra.

agree(r"\\frac{9}{4}π", "2.25π") -> True;  agree("x+1", "x+2") -> False;  agree("f \\circ g", "h") -> None (cannot read it)

The texts are spelled (markup.spell). Two expressions that agree at points of no special form are
the same expression for all that a marker can tell (Schwartz-Zippel). Nothing is evaluated but this
grammar: no eval, floats only.
"""

import cmath
import functools
import math
import operator
import re
import zlib

from .markup import COMMANDS, GREEK

MAX_LENGTH, MAX_DEPTH = 600, 40
FUNCTIONS = {
    name: getattr(cmath, name)
    for name in "sin cos tan asin acos atan sinh cosh tanh exp sqrt log".split()
} | {
    "ln": cmath.log,
    "cot": lambda x: 1 / cmath.tan(x),
    "sec": lambda x: 1 / cmath.cos(x),
    "csc": lambda x: 1 / cmath.sin(x),
    "arcsin": cmath.asin,
    "arccos": cmath.acos,
    "arctan": cmath.atan,
    "floor": lambda x: math.floor(x.real + 1e-9),
    "ceil": lambda x: math.ceil(x.real - 1e-9),
}
NAMES = "|".join(sorted(FUNCTIONS, key=len, reverse=True))
FUNCTION = re.compile(f"pi|{NAMES}")
LETTER = "a-zA-Zα-ωΑ-Ωħℓ∂"
TOKEN = re.compile(
    rf"""\s*(?:(?P<num>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{{1,3}}(?![\w.]))?)
    |\\?(?P<call>{NAMES}|√)(?![a-z]{{4}})
    |\\(?P<command>frac|binom)(?![a-zA-Z])
    |(?P<sym>(?:pi(?![a-z])|[{LETTER}])                        # x_{{max}}, x_0, x0, y'
     (?:\s*_\s*(?:\{{[^{{}}]{{0,30}}\}}|\w)|\d{{1,2}}(?![\d.])){{0,2}}(?:'|\^\s*\{{\s*'+\s*\}})*)
    |(?P<op>[-+*/^(){{}}\[\]|!_]))""",
    re.VERBOSE,
)
STARTS = ("num", "sym", "call", "command")  # of a factor
MARK = re.compile(rf"\\(?:hat|vec|mathcal|mathbb)\s*\{{?\s*([{LETTER}])\s*\}}?")  # not \dot{{x}}
DIGITS = re.compile(r"\\(frac|binom)\s*(\d)\s?(?=\d)")  # \frac12
MIXED = re.compile(  # 1\frac{4}{5}, 1 4/5
    r"(?<![\d.^_/}])(\d{1,6})\s*(?:\\frac\s*\{(\d{1,6})\}\s*\{(\d{1,6})\}|(?<=\s)(\d{1,4})/(\d{1,4})(?![\d.]))"
)
WORD = re.compile(rf"(?<![\\a-zA-Z])(?!{NAMES})[a-zA-Z]{{5,}}")
NAMED = re.compile(rf"(?<![\\a-zA-Z])(?:{'|'.join(GREEK)})(?![a-zA-Z])")  # omega
SUBSCRIPT = re.compile(r"_\s*\{[^{}]*\}")
BELOW = re.compile(
    r"/\s*(\d*(?:[A-Za-z](?:_\{?\w\}?)?){2,4}|\d+[A-Za-z](?:_\{?\w\}?)?)(?![A-Za-z(])"
)
CONSTANTS = {"e": math.e, "i": 1j, "π": math.pi, "pi": math.pi}
CLOSING = {"(": ")", "[": "]", "{": "}", "|": "|"}
POSITIVE, POINTS = 4, 6  # roots and logarithms are real at positive points; |x| is x there


class Unreadable(ValueError):
    """The text is outside the grammar."""


def tokens_of(text):
    """[(kind, text), ...]: num, call, command, sym, op. Raises Unreadable."""
    text = NAMED.sub(lambda m: COMMANDS["\\" + m[0]], text.strip())
    if len(text) > MAX_LENGTH or WORD.search(SUBSCRIPT.sub("", text)):
        raise Unreadable("too long, or words")
    text = DIGITS.sub(r"\\\1{\2}", text)
    text = MIXED.sub(lambda m: f"({m[1]}+{m[2] or m[4]}/{m[3] or m[5]})", text)
    text = MARK.sub(r"\1", text)
    tokens, at = [], 0
    while at < len(text):
        match = TOKEN.match(text, at)
        if not match:
            raise Unreadable(text[at : at + 20])
        tokens.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return tokens


def constant(value):
    return [complex(value)] * POINTS


def unknown(name):
    """The values of a symbol: of no special form, the same for every call."""
    start = zlib.crc32(name.encode()) * 0.6180339887
    size = [0.31 + (start + k * 0.7548776662) % 1 * 1.9 for k in range(POINTS)]
    return [complex(x if k < POSITIVE else -x) for k, x in enumerate(size)]


def apply(function, *columns):
    """A function at every point; nan where it has no value or leaves the floats."""
    found = []
    for arguments in zip(*columns, strict=True):
        try:
            found.append(complex(function(*arguments)))
        except (ArithmeticError, ValueError):
            found.append(complex("nan"))
    return found


def power(base, exponent):
    if base.imag == exponent.imag == 0 and (base.real > 0 or exponent.real.is_integer()):
        return base.real**exponent.real
    return base**exponent


def factorial(value):
    if abs(value.imag) > 1e-12 or abs(value.real) > 170:
        raise ValueError("gamma of a complex or large number")
    return math.gamma(value.real + 1)


def binomial(n, k):
    return factorial(n) / (factorial(k) * factorial(n - k))


class Reader:
    """Recursive descent over tokens. total() gives the values at the points; names are the unknowns
    met."""

    def __init__(self, text):
        self.tokens, self.at, self.depth, self.bars = tokens_of(text), 0, 0, 0
        self.names = set()

    def peek(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else (None, "")

    def take(self, value=None):
        token = self.peek()
        if token[0] is None or value is not None and token[1] != value:
            raise Unreadable(f"expected {value!r}, found {token[1]!r}")
        self.at += 1
        return token

    def comes(self, signs):
        """Is the next token one of these operators?"""
        kind, value = self.peek()
        return kind == "op" and value in signs

    def total(self):
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unreadable("too deep")
        found = self.product()
        while self.comes("+-"):
            sign = operator.add if self.take()[1] == "+" else operator.sub
            found = apply(sign, found, self.product())
        self.depth -= 1
        return found

    def signed(self, read):
        """What read() reads, behind any number of signs."""
        minus = False
        while self.comes("+-"):
            minus ^= self.take()[1] == "-"
        return apply(operator.neg, read()) if minus else read()

    def product(self):
        found = self.signed(self.factor)
        while True:
            if self.comes("*/"):
                sign = operator.mul if self.take()[1] == "*" else operator.truediv
                found = apply(sign, found, self.signed(self.factor))
            elif self.factor_comes():
                found = apply(operator.mul, found, self.factor())
            else:
                return found

    def factor_comes(self):
        """Does a factor follow without a sign, as in 2x(x+1)?"""
        if self.peek()[0] == self.tokens[self.at - 1][0] == "num":
            raise Unreadable("two numbers side by side")
        return self.peek()[0] in STARTS or self.comes("({[") or self.comes("|") and not self.bars

    def factor(self):
        found = self.base()
        while self.comes("^!"):
            if self.take()[1] == "!":
                found = apply(factorial, found)
            else:
                found = apply(power, found, self.signed(self.base))
        return found

    def base(self):
        """A number, a symbol, a call, or what stands in brackets."""
        kind, value = self.take()
        if kind == "num":
            return constant(value)
        if kind == "sym":
            return self.symbol(re.sub(r"[\s{}_^\\]", "", value))
        if kind == "command":
            top = self.base()
            return apply(operator.truediv if value == "frac" else binomial, top, self.base())
        if kind == "call":
            return self.call(value.replace("√", "sqrt"))
        if value not in CLOSING:
            raise Unreadable(value)
        self.bars += value == "|"
        found = self.total()
        self.take(CLOSING[value])
        self.bars -= value == "|"
        return apply(abs, found) if value == "|" else found

    def symbol(self, name):
        if name in CONSTANTS:
            return constant(CONSTANTS[name])
        if name == "ħ":
            return apply(operator.truediv, self.symbol("h"), constant(2 * math.pi))
        self.names.add(name)
        return unknown(name)

    def call(self, name):
        """A function with its base, power and argument: \\log_2 8, \\sin^2 x, \\sqrt[3]{27}."""
        if name == "sqrt" and self.comes("["):
            root = apply(operator.truediv, constant(1), self.base())
            return apply(power, self.base(), root)
        exponent = base = None
        while self.comes("^_"):
            if self.take()[1] == "_":
                base = self.base()
            else:
                exponent = self.signed(self.base)
        argument = self.argument(name)
        if self.comes("^") and exponent is None and name != "sqrt":  # sin(x)^2
            self.take()
            exponent = self.signed(self.base)
        if exponent == constant(-1) and name in ("sin", "cos", "tan"):
            name, exponent = "arc" + name, None
        found = apply(FUNCTIONS[name], argument)
        if base is not None:
            found = apply(operator.truediv, found, apply(cmath.log, base))
        return found if exponent is None else apply(power, found, exponent)

    def argument(self, name):
        """(...), or factors side by side: sin 2x means sin(2x)."""
        if name == "sqrt" or self.comes("({["):
            return self.base()
        found = self.factor()
        while self.peek()[0] in ("num", "sym", "command"):
            found = apply(operator.mul, found, self.factor())
        return found


@functools.lru_cache(maxsize=4096)
def read(text):
    """(names of the unknowns, values at the points) of a spelled formula, or None."""
    try:
        reader = Reader(text)
        values = reader.total()
    except (Unreadable, RecursionError):
        return None
    return (reader.names, values) if reader.at == len(reader.tokens) else None


def number(text):
    """The value of a closed expression ("\\frac{9}{4}π"), complex, or None where there are unknowns
    or it cannot be read."""
    found = read(text)
    return found[1][0] if found and not found[0] and cmath.isfinite(found[1][0]) else None


def near(one, two):
    small = 1e-3 if abs(one) < 1e-9 or abs(two) < 1e-9 else 0
    return abs(one - two) <= 1e-8 * max(abs(one), abs(two), small)


def values(one, two):
    """[(value of one, value of two), ...] where both have one; None where they cannot be read."""
    left, right = read(one), read(two)
    if left is None or right is None:
        return None
    count = POINTS if "|" in one + two else POSITIVE
    pairs = zip(left[1][:count], right[1][:count], strict=True)
    pairs = [pair for pair in pairs if all(map(cmath.isfinite, pair))]
    return pairs if len(pairs) >= 3 else None


def agree(one, two):
    """Are two expressions the same function? True, False, or None where either cannot be read or
    evaluated."""
    pairs = values(one, two)
    if pairs is None or all(near(a, b) for a, b in pairs):
        return None if pairs is None else True
    below = as_below(one, two)
    return agree(*below) if below != (one, two) else False


def as_below(*texts):
    """t/RC as t/(RC), dy/dx as dy/(dx), as physicists mean it."""
    return tuple(BELOW.sub(r"/(\1)", text) for text in texts)


def proportional(one, two):
    """Is one a constant times two at all points (equations f = 0)? None where they cannot be
    read."""
    pairs = values(one, two)
    ratios = [a / b for a, b in pairs or () if abs(b) > 1e-9]
    if len(ratios) < 3:
        return None
    if abs(ratios[0]) > 1e-9 and all(near(ratio, ratios[0]) for ratio in ratios):
        return True
    below = as_below(one, two)
    return proportional(*below) if below != (one, two) else False
