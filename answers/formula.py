"""Formulas as trees and their values at points: most answers need no computer algebra.

agree(r"\\frac{9}{4}π", "2.25π") -> True;  agree("x+1", "x+2") -> False;  agree("f \\circ g", "h") -> None (cannot read it)

The texts are spelled (markup.spell). Two expressions that agree at four points of no special form are the same
expression for all that a marker can tell (Schwartz-Zippel). Nothing is evaluated but this grammar: no eval, floats only.
"""

import cmath
import functools
import math
import operator
import re

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
    "abs": abs,
    "floor": lambda x: math.floor(x.real + 1e-9),
    "ceil": lambda x: math.ceil(x.real - 1e-9),
    "!": lambda x: gamma(x + 1),
}
OPERATORS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": lambda base, power: raised(base, power),
    "binom": lambda n, k: gamma(n + 1) / (gamma(k + 1) * gamma(n - k + 1)),
}
ANGLES = ("sin", "cos", "tan", "sec", "csc", "cot")
NAMES = "|".join(sorted((name for name in FUNCTIONS if name != "!"), key=len, reverse=True))
LETTER = "a-zA-Zα-ωΑ-Ωħℓ∂"
TOKEN = re.compile(
    rf"""\s*(?:(?P<num>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{{1,3}}(?![\w.]))?)
    |\\?(?P<call>{NAMES}|√)(?![a-z]{{4}})
    |\\(?P<command>frac|binom)(?![a-zA-Z])
    |(?P<sym>(?:pi(?![a-z])|[{LETTER}])                        # x_{{max}}, x_0, x0, y'
     (?:\s*_\s*(?:\{{[^{{}}]{{0,30}}\}}|\w)|\d{{1,2}}(?![\d.])){{0,2}}(?:'|\^\s*\{{\s*'+\s*\}})*)
    |(?P<op>[-+*/^(){{}}\[\]|!%°∞_]))""",
    re.VERBOSE,
)
MARK = re.compile(  # \dot{{x}} is not x, \vec{{x}} is
    rf"\\(dot|ddot|bar|overline|tilde|hat|vec|mathcal|mathbb|widehat)\s*\{{?\s*([{LETTER}])\s*\}}?"
)
KEPT_MARKS = {"dot": "_{dot}", "ddot": "_{ddot}", "bar": "_{bar}", "overline": "_{bar}"}
DIGITS = re.compile(r"\\(frac|binom)\s*(\d)\s?(?=\d)")  # \frac12
WORD = re.compile(rf"(?<![\\a-zA-Z])(?!{NAMES})[a-zA-Z]{{5,}}")
NAMED = re.compile(rf"(?<![\\a-zA-Z])(?:{'|'.join(GREEK)})(?![a-zA-Z])")  # omega
SUBSCRIPT = re.compile(r"_\s*\{[^{}]*\}")
BELOW = re.compile(
    r"/\s*(\d*(?:[A-Za-z](?:_\{?\w\}?)?){2,4}|\d+[A-Za-z](?:_\{?\w\}?)?)(?![A-Za-z(])"
)
CONSTANTS = {"e": math.e, "i": 1j, "π": math.pi, "pi": math.pi}
CLOSING = {"(": ")", "[": "]", "{": "}", "|": "|"}
MINUS = ("num", -1.0)


class Unreadable(ValueError):
    """The text is outside the grammar, or its value outside the floats."""


def tokens_of(text):
    """[(kind, value), ...]: num, call, command, sym, op. Raises Unreadable."""
    text = NAMED.sub(lambda m: COMMANDS["\\" + m[0]], text.strip())
    if len(text) > MAX_LENGTH or WORD.search(SUBSCRIPT.sub("", text)):
        raise Unreadable("too long, or words")
    text = MARK.sub(lambda m: m[2] + KEPT_MARKS.get(m[1], ""), DIGITS.sub(r"\\\1{\2}", text))
    tokens, at = [], 0
    while at < len(text):
        match = TOKEN.match(text, at)
        if not match:
            raise Unreadable(text[at : at + 20])
        kind, at = match.lastgroup, match.end()
        value = match[kind]
        tokens.append((kind, re.sub(r"[\s{}_^\\]", "", value) if kind == "sym" else value))
    return tokens


class Reader:
    """Recursive descent over tokens; sum() gives nested tuples: ("num", 2.0), ("sym", "x"), ("+", a, b), ("call", name, argument)."""

    def __init__(self, text):
        self.tokens, self.at, self.depth, self.bars, self.angle = tokens_of(text), 0, 0, 0, False

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

    def tree(self):
        tree = self.sum()
        if self.at != len(self.tokens):
            raise Unreadable(f"left over: {self.peek()[1]!r}")
        return tree

    def sum(self):
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unreadable("too deep")
        tree = self.product()
        while self.comes("+-"):
            sign = self.take()[1]
            tree = (sign, tree, self.product())
        self.depth -= 1
        return tree

    def signed(self, read):
        """What read() reads, behind any number of signs."""
        minus = False
        while self.comes("+-"):
            minus ^= self.take()[1] == "-"
        return ("*", MINUS, read()) if minus else read()

    def product(self):
        tree = self.signed(self.factor)
        while True:
            if self.comes("*/"):
                sign = self.take()[1]
                tree = (sign, tree, self.signed(self.factor))
            elif (
                self.comes("({[∞") or self.comes("|") and not self.bars or self.peek()[0] in STARTS
            ):
                mixed = tree[0] == "num" and self.peek() == ("command", "frac")
                right = self.factor()
                mixed = mixed and right[0] == "/" and right[1][0] == right[2][0] == "num"
                tree = ("+" if mixed else "*", tree, right)
            else:
                return tree

    def factor(self):
        tree = self.base()
        while self.comes("^!%°"):
            sign = self.take()[1]
            if sign == "^":
                tree = ("^", tree, self.signed(self.base))
            elif sign == "!":
                tree = ("call", "!", tree)
            elif sign == "%":
                tree = ("/", tree, ("num", 100.0))
            elif self.angle:  # 30° and 30 are the same answer, sin 30° and sin 30 are not
                tree = ("*", tree, ("num", math.pi / 180))
        return tree

    def base(self):
        """A number, a symbol, a call, or what stands in brackets."""
        kind, value = self.take()
        if kind == "num":
            return ("num", float(value))
        if kind == "sym":
            return ("num", CONSTANTS[value]) if value in CONSTANTS else ("sym", value)
        if kind == "command":
            top = self.base()
            return ("/" if value == "frac" else "binom", top, self.base())
        if kind == "call":
            return self.call(value.replace("√", "sqrt"))
        if value == "∞":
            return ("sym", "∞")
        if value not in CLOSING:
            raise Unreadable(value)
        self.bars += value == "|"
        tree = self.sum()
        self.take(CLOSING[value])
        self.bars -= value == "|"
        return ("call", "abs", tree) if value == "|" else tree

    def call(self, name):
        """A function with its base, power and argument: \\log_2 8, \\sin^2 x, \\sqrt[3]{27}."""
        if name == "sqrt" and self.comes("["):
            root = self.base()
            return ("^", self.base(), ("/", ("num", 1.0), root))
        power = base = None
        while self.comes("^_"):
            if self.take()[1] == "_":
                base = self.base()
            else:
                power = self.signed(self.base)
        outside, self.angle = self.angle, name in ANGLES
        argument = self.argument(name)
        self.angle = outside
        if self.comes("^") and power is None and name != "sqrt":  # sin(x)^2
            self.take()
            power = self.signed(self.base)
        if power == ("*", MINUS, ("num", 1.0)) and name in ("sin", "cos", "tan"):
            name, power = "arc" + name, None
        tree = ("call", name, argument)
        tree = tree if base is None else ("/", tree, ("call", "ln", base))
        return tree if power is None else ("^", tree, power)

    def argument(self, name):
        """(...), or factors side by side: sin 2x means sin(2x)."""
        if name == "sqrt" or self.comes("({["):
            return self.base()
        tree = self.factor()
        while self.peek()[0] in ("num", "sym", "command"):
            tree = ("*", tree, self.factor())
        return tree


STARTS = ("num", "sym", "call", "command")  # of a factor


def symbols(tree):
    """The names of the unknowns of a tree."""
    if tree[0] == "sym":
        return {tree[1]}
    return set().union(*(symbols(part) for part in tree[1:] if isinstance(part, tuple)))


def value_at(tree, point):
    """The complex value of a tree where each symbol has the value that point gives it; raises Unreadable outside the floats."""
    try:
        value = complex(evaluate(tree, point))
    except (ArithmeticError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise Unreadable(str(error)) from None
    if cmath.isnan(value) or cmath.isinf(value):
        raise Unreadable("not finite")
    return value


def evaluate(tree, point):
    kind = tree[0]
    if kind == "num":
        return complex(tree[1])
    if kind == "sym":
        return point[tree[1]]
    if kind == "call":
        return complex(FUNCTIONS[tree[1]](evaluate(tree[2], point)))
    return OPERATORS[kind](evaluate(tree[1], point), evaluate(tree[2], point))


def raised(base, power):
    if base.imag == power.imag == 0 and (base.real > 0 or power.real.is_integer()):
        return complex(base.real**power.real)
    return base**power


def gamma(value):
    if abs(value.imag) > 1e-12 or abs(value.real) > 170:
        raise ValueError("gamma of a complex or large number")
    return math.gamma(value.real)


@functools.lru_cache(maxsize=4096)
def read(text):
    """The tree of a spelled formula, or None."""
    try:
        return Reader(text).tree()
    except (Unreadable, RecursionError):
        return None


def points(names, count=4):
    """Assignments of no special form, the same for every call: all positive, so that roots and logarithms are real."""
    return [
        {
            name: complex(0.31 + ((i * 0.6180339887 + k * 0.7548776662 + 0.137) % 1) * 1.9)
            for i, name in enumerate(sorted(names))
        }
        for k in range(count)
    ]


def number(text):
    """The value of a closed expression ("\\frac{9}{4}π"), complex, or None where there are unknowns or it cannot be read."""
    tree = read(text)
    if tree is None or symbols(tree):
        return None
    try:
        return value_at(tree, {})
    except Unreadable:
        return None


def near(one, two):
    small = 1e-3 if abs(one) < 1e-9 or abs(two) < 1e-9 else 0
    return abs(one - two) <= 1e-8 * max(abs(one), abs(two), small)


def values(one, two, negative=False):
    """[(value of one, value of two), ...] at common points; None where they cannot be read."""
    left, right = read(one), read(two)
    if left is None or right is None:
        return None
    names = symbols(left) | symbols(right)
    if "∞" in names:
        return None
    places = points(names) if names else [{}]
    if negative:
        places += [{name: -value for name, value in point.items()} for point in places[:2]]
    pairs = []
    for point in places:
        try:
            pairs.append((value_at(left, point), value_at(right, point)))
        except Unreadable:
            continue
    return pairs if len(pairs) >= (3 if names else 1) else None


def agree(one, two):
    """Are two expressions the same function? True, False, or None where either cannot be read or evaluated."""
    pairs = values(one, two, negative="abs" in one + two or "|" in one + two)
    if pairs is None or all(near(a, b) for a, b in pairs):
        return None if pairs is None else True
    below = as_below(one, two)
    return agree(*below) if below != (one, two) else False


def as_below(*texts):
    """t/RC as t/(RC), dy/dx as dy/(dx), as physicists mean it."""
    return tuple(BELOW.sub(r"/(\1)", text) for text in texts)


def proportional(one, two):
    """The constant c with one = c * two at all points (equations f = 0), else False; None where they cannot be read."""
    pairs = values(one, two)
    if pairs is None:
        return None
    ratios = [a / b for a, b in pairs if abs(b) > 1e-9]
    if len(ratios) < 3:
        return None
    if abs(ratios[0]) > 1e-9 and all(near(ratio, ratios[0]) for ratio in ratios):
        return ratios[0]
    below = as_below(one, two)
    return proportional(*below) if below != (one, two) else False
