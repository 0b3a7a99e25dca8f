"""How dense the code is: decisions a function, width of lines, weight of each folder.

    python tests/bench/density.py [--most 20] [--over 20]

A decision is a branch that a reader must keep in mind: if, elif, for, while, except, a case, a conditional expression, a clause of a
comprehension, each further operand of and/or. --over N ends with exit code 1 where a function has more than N.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import ast
import collections

import rows as r

BRANCHES = (ast.If, ast.For, ast.While, ast.IfExp, ast.ExceptHandler, ast.match_case)
FOLDERS = ("answers", "01_extract", "02_mix", "03_sft", "04_eval", "data")


def decisions(function):
    """Number of decisions in a function, its inner functions included."""
    count = 0
    for node in ast.walk(function):
        count += isinstance(node, BRANCHES)
        if isinstance(node, ast.BoolOp):
            count += len(node.values) - 1
        elif isinstance(node, ast.comprehension):
            count += 1 + len(node.ifs)
    return count


def measure(path):
    """(characters, lines, lines over 100, [(decisions, lines, place)]) of a file."""
    text = path.read_text(encoding="utf-8")
    functions = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    found = [
        (decisions(f), f.end_lineno - f.lineno + 1, f"{path.relative_to(ROOT)}:{f.lineno} {f.name}")
        for f in functions
    ]
    lines = text.splitlines()
    return len(text), len(lines), sum(len(line) > 100 for line in lines), found


def main():
    parser = r.parser(__doc__)
    parser.add_argument("--most", type=int, default=12, metavar="N", help="functions to list")
    parser.add_argument("--over", type=int, metavar="N", help="fail above N decisions")
    args = parser.parse_args()
    paths = [*ROOT.glob("*.py"), *(p for name in FOLDERS for p in (ROOT / name).rglob("*.py"))]
    paths = [p for p in paths if "runs" not in p.relative_to(ROOT).parts]
    weight, wide, total, functions = collections.Counter(), 0, 0, []
    for path in paths:
        size, lines, over, found = measure(path)
        parts = path.relative_to(ROOT).parts
        weight[parts[0] if len(parts) > 1 else "root"] += size
        wide, total, functions = wide + over, total + lines, functions + found
    for name, size in weight.most_common():
        print(f"{name:12} {size / 1000:6.1f} KB")
    dense = sum(own for own, _, _ in functions) / sum(length for _, length, _ in functions)
    print(
        f"{'all':12} {sum(weight.values()) / 1000:6.1f} KB, {total:,} lines, {wide / total:.1%} over 100 wide, "
        f"{100 * dense:.0f} decisions in 100 lines, "
        f"{sum(own > 12 for own, _, _ in functions)} functions over 12, {sum(own > 20 for own, _, _ in functions)} over 20"
    )
    for own, length, place in sorted(functions, reverse=True)[: args.most]:
        print(f"  {own:3} decisions in {length:3} lines  {place}")
    over = [place for own, _, place in functions if args.over and own > args.over]
    if over:
        raise SystemExit(f"over {args.over} decisions: {', '.join(over)}")


if __name__ == "__main__":
    r.run(main)
