"""Explain a verdict step by step.

python -m answers --kind math 'so \\boxed{0.05 m}' '5 cm'
python -m answers --kind choice --options '4 cm' '5 cm' -- 'The answer is (B).' B
"""

import argparse

from . import KINDS, explain

if __name__ == "__main__":
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m answers", None, __doc__, formatter_class=form)
    parser.add_argument("--kind", required=True, choices=KINDS)
    parser.add_argument("--options", nargs="+", metavar="TEXT", help="the option texts, A first")
    parser.add_argument("--unit", help="unit of the reference, where it stands apart")
    parser.add_argument("--rel-tol", type=float, metavar="X", help="relative tolerance of numbers")
    parser.add_argument("response", metavar="RESPONSE")
    parser.add_argument("reference", metavar="REFERENCE")
    print(*explain(**vars(parser.parse_args())), sep="\n")
