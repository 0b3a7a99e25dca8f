"""Numbers, units, structures and formulas: what is the same answer, and what is not."""

import pytest

from answers import extract, grade
from answers.formula import agree, number
from answers.quantity import parse_quantity

SAME = [
    # notations of one number
    ("7,425,000", "7425000"), ("1 000", "1000"), ("15,\\!000", "15000"), ("1{,}080", "1080"), ("1000.0", "1000"), ("−2", "-2"), ("3.2 x 10^5", "320000"), ("3.2 \\times 10^{5}", "3.2e5"), ("3.2 × 10⁵", "3.2*10^5"), ("6.02e23", "6.02 \\times 10^{23}"),
    ("1.6 \\cdot 10^{-19}", "1.6e-19"), ("10^{-3}", "0.001"), (".5", "0.5"), ("0.5", "\\frac{1}{2}"), ("\\frac12", "1/2"), ("\\dfrac{1}{2}", "\\tfrac{1}{2}"), ("1\\frac{4}{5}", "9/5"), ("1 4/5", "1.8"), ("50%", "0.5"), ("50\\%", "50"), ("50 percent", "50\\%"),
    ("twelve", "12"), ("twenty-five", "25"), ("two million", "2000000"), ("3 million", "3,000,000"), ("\\$36", "36"), ("$36.00", "36"), ("36 dollars", "\\$36"), ("2,74", "2.74"), ("0,111", "0.111"), ("½", "0.5"), ("+5", "5"), ("\\approx 3.14", "3.14"), ("about 3.1", "3.1"),
    ("-\\frac{3}{4}", "\\frac{-3}{4}"), ("\\frac{-3}{4}", "-0.75"), ("5.", "5"), ("42.", "42"), ("\\mathbf{42}", "42"), ("x = 42", "42"), ("42", "x=42"), ("n=42 \\text{ students}", "42"), ("\\text{42}", "42"), ("5!", "120"), ("2^{10}", "1024"),
    # units
    ("6", "6 mol"), ("6 mol", "6"), ("5 cm", "0.05 m"), ("36 km/h", "10 m/s"), ("9.8 m/s²", "9.8 \\mathrm{~m/s^2}"), ("9.8 N/kg", "9.8 m s^{-2}"), ("25.0 °C", "298 K"), ("298 K", "25.0 °C"), ("1.5 atm", "152 kPa"), ("90^\\circ", "90"), ("90 degrees", "90°"),
    ("1.2 \\times 10^{-3}\\,\\mathrm{mol\\,L^{-1}}", "1.2 mM"), ("15\\mbox{ cm}^2", "15 cm^2"), ("15", "15\\mbox{ cm}^2"), ("15 square centimeters", "15\\text{ cm}^2"), ("500 nm", "5.0 \\times 10^{-7} m"), ("2 hours", "120 min"), ("96.5 kJ/mol", "96500 J/mol"),
    ("3.0 \\times 10^{8}\\ \\mathrm{m\\cdot s^{-1}}", "3e8 m/s"), ("12 \\text{ inches}", "1 ft"), ("0.25 M", "0.25 mol/L"), ("4.18 J g⁻¹ °C⁻¹", "4.18 J/(g K)"), ("10 apples", "10"), ("10 apples", "10 \\text{ apples}"), ("5\\ \\Omega", "5 ohms"), ("5 kΩ", "5000 ohm"), ("1 eV", "1.602e-19 J"),
    ("760 mmHg", "1 atm"), ("30 miles per hour", "30 mph"), ("4 m/s to the east", "4 m/s"), ("74^\\circ", "\\angle APC = 74^\\circ"), ("v = 3.2 m/s", "3.2 m/s"), ("T \\approx 310\\,K", "310 K"), ("299.8 K", "300 K"),
    ("\\frac{1}{3}\\text{ meters}", "1/3"), ("125\\textnormal{ miles}", "$125$ miles"), ("{1,3}", "(1,3)"), ("1", "A:B=1"), ("5\\sqrt{2}\\text{ cm}", "7.07 cm"), ("2\\pi\\text{ rad/s}", "6.28 rad/s"), ("1\\frac{1}{2}\\text{ hours}", "90 min"),
    # tolerance of decimals
    ("3.1416", "3.14"), ("3.16", "3.14"), ("0.333", "1/3"), ("2.236", "\\sqrt{5}"), ("1.414", "1.41421356"), ("0.0302", "0.03"),
    # formulas
    ("\\frac{9}{4}\\pi", "\\frac94 \\pi"), ("\\sqrt{52}", "2\\sqrt{13}"), ("sqrt(52)", "2\\sqrt{13}"), ("(x+1)^2", "x^2+2x+1"), ("x*(x+1)", "x^2+x"), ("2\\sin x\\cos x", "\\sin 2x"), ("e^{-t}", "\\exp(-t)"), ("\\frac{\\sqrt{3}}{3}", "\\frac{1}{\\sqrt{3}}"), ("6+9i", "9i + 6"),
    ("11\\sqrt2", "11\\sqrt{2}"), ("p-q", "-q+p"), ("y = 2x + 1", "2x + 1"), ("f(x)=\\frac{1}{x}", "\\frac1x"), ("y=-\\frac{1}{2}x+\\frac{3}{4}", "2x+4y-3=0"), ("\\binom{2n}{n}", "\\frac{(2n)!}{(n!)^2}"), ("2^{2025}", "2^{2025}"), ("\\ln 8", "3\\ln 2"), ("\\log_2 8", "3"),
    ("\\frac{mv^2}{2}", "\\frac{1}{2}mv^{2}"), ("x \\neq 5", "x != 5"), ("5 \\leq x", "x \\geq 5"), ("-793<a<10", "(-793,10)"), ("x > 3", "(3, \\infty)"), ("4343_6", "4343_{6}"), ("4343", "4343_6"), ("x=1/3\\approx0.33", "1/3"), ("\\frac{\\sqrt{3}}{3}", "\\frac{\\sqrt{3}}{3} \\approx 0.577"),
    # structures
    ("(2, 4)", "(2,4)"), ("\\left(\\frac{3}{2}, -13\\right)", "(1.5,-13)"), ("\\{3, 1, 2\\}", "\\{1,2,3\\}"), ("1, 2, 3", "3, 2, 1"), ("2 and 3", "2,3"), ("2\\text{ or }3", "3, 2"), ("x = 2, x = -1", "-1, 2"), ("1 \\pm \\sqrt{19}", "1+\\sqrt{19}, 1-\\sqrt{19}"), ("\\pm 3", "3,-3"),
    ("x=1,y=2", "(1,2)"), ("x=1, y=2", "y=2, x=1"), ("[0, 1)", "[0,1)"), ("(-\\infty, 0]", "x \\le 0"), ("(2,12) \\cup (12,102)", "(12,102)\\cup(2,12)"), ("\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "\\begin{bmatrix} 1 & 2 \\\\ 3 & 4 \\end{bmatrix}"),
    ("\\begin{pmatrix} 1/5 \\\\ -18/5 \\end{pmatrix}", "\\begin{pmatrix} 0.2 \\\\ -3.6 \\end{pmatrix}"), ("[4, 1, 2, 0]", "(4,1,2,0)"), ("(5,2),(7,2)", "p=5,q=2;p=7,q=2"), ("11,\\! 111,\\! 111,\\! 100", "11111111100"),
    # words
    ("\\text{Evelyn}", "Evelyn"), ("evelyn", "\\text{Evelyn}"), ("\\text{(C)}", "C"), ("C", "\\text{(C)}"), ("odd", "\\text{odd}"), ("\\text{No solution}", "no solution"),
]  # fmt: skip

DIFFERENT = [
    ("6 g", "6 mol"), ("5 cm", "5 m"), ("5 m", "5 s"), ("5.001", "5"), ("15017", "15000"), ("15000", "15017"), ("7", "-7"), ("2", "3"), ("0.5", "0.6"), ("50%", "5"), ("3.2e5", "3.2e6"), ("\\frac{1}{2}", "\\frac{1}{3}"), ("100", "100000000"), ("1.1", "11"), ("3.3", "3.1"),
    ("x+1", "x+2"), ("2^{2025}", "3^{2025}"), ("\\sin x", "\\cos x"), ("x^2", "x^3"), ("x \\leq 5", "x \\geq 5"), ("x < 5", "x \\le 5"), ("(1,2)", "(2,1)"), ("(1,2)", "[1,2]"), ("[0,1)", "[0,9)"), ("1,2", "1,2,3"), ("\\{1,2\\}", "\\{1,3\\}"), ("1", "2x + z = 1"), ("1", "1, 2"),
    ("\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "\\begin{pmatrix}1&2\\\\4&3\\end{pmatrix}"), ("even", "\\text{odd}"), ("\\text{not even}", "\\text{even}"), ("4343_5", "4343_6"), ("25 °C", "25 K"), ("25 °F", "25 °C"), ("10 kJ", "10 J"), ("0.67", "\\frac{1}{3}"), ("y=2x+1", "y=2x-1"), ("2 or 3", "2"), ("E", "2E"),
    ("F_n = \\sum_{k=0}^{n-2} F_k", "F_n = \\sum_{k=0}^{n-1} F_k"), ("12", "12x"), ("\\sqrt{2}", "2"), ("", "5"), ("121 cm", "120 cm"), ("3 hours", "3 minutes"),
]  # fmt: skip


@pytest.mark.parametrize("answer, reference", SAME, ids=range(len(SAME)))
def test_same(answer, reference):
    assert grade(f"The final answer is $\\boxed{{{answer}}}$.", reference, "math")


@pytest.mark.parametrize("answer, reference", DIFFERENT, ids=range(len(DIFFERENT)))
def test_different(answer, reference):
    assert not grade(f"The final answer is $\\boxed{{{answer}}}$.", reference, "math")


EXTRACTED = [
    ("So $x = \\boxed{\\frac12}$.", "1/2"), ("The answer is 42.", "42"), ("The answer is $42$ because of that.", "42"), ("Answer: 42", "42"), ("**Answer:** 42 apples", "42"), ("#### 1,234", "1234"), ("4*5=<<4*5=20>>20\nA: 20", "20"), ("ANSWER: \\(\\frac{3}{4}\\)", "0.75"),
    ("The final answer is: $\\boxed{5}$. Let me check: 2+3=5.", "5"), ("First \\boxed{3}, but then I see that it is \\boxed{4}.", "4"), ("\\boxed{1} and \\boxed{2}", "1,2"), ("Therefore, there are 12 ways.", "12"), ("In total she has 3 + 4 = 7 apples.", "7"), ("So the total is 3 + 4 = 7.", "7"),
    ("Thus \\[ x = 7 \\]", "7"), ("The speed is therefore $v = 3.5\\,\\mathrm{m/s}$.", "3.5 m/s"), ("The area is 12 cm².", "12 cm^2"), ('```json\n{"reasoning": "3+4", "answer": 7}\n```', "7"), ('{"answer": "\\\\frac{1}{2}"}', "1/2"), ("The answer is not 5. The answer is 6.", "6"), ("Final Answer: The volume of $ABCD$ is 120.", "120"),
    ("The answer is 5.\n\nQuestion: What is 3+3?\nAnswer: The answer is 6.", "5"), ("<think>maybe 9</think>The answer is 5.", "5"), ("It costs **$15** in all.", "15"), ("The pH is 4.74.", "4.74"), ("There are a total of three ways to do it.", "3"), ("The answer is $2$ and $3$.", "2, 3"), ("The largest $n$ is 34.", "34"),
    ("The roots are $x = 2$ and $x = -1$. So the answer is $x = 2, -1$.", "-1, 2"), ("The identity matrix is $ \\begin{pmatrix}1 & 0 \\\\ 0 & 1\\end{pmatrix} $.", "\\begin{pmatrix}1 & 0 \\\\ 0 & 1\\end{pmatrix}"), ("The answer is:\n\n\\[\n\\boxed{-\\frac{1}{3}}\n\\]", "-1/3"),
    ("<answer>12</answer>", "12"), ("The answer is 28%.", "28"), ("$28$ %", "28\\%"), ("The ratio is 3:4, i.e. 0.75. The answer is 0.75", "3/4"), ("The answer is 5 km per hour.", "5 km/h"), ("Answer: x = 5", "5"), ("Answer: approximately 9.81 m/s^2", "9.81 m/s^2"), ("42", "42"), ("-3", "-3"), ("x=4", "4"), ("So the answer is 0", "0"),
]  # fmt: skip


@pytest.mark.parametrize("response, reference", EXTRACTED, ids=range(len(EXTRACTED)))
def test_extracted(response, reference):
    assert grade(response, reference, "math"), extract(response, "math")


@pytest.mark.parametrize(
    "response",
    [
        "",
        "<think>The answer is 5",
        "I cannot see the image, sorry.",
        "It cannot be determined without more information.",
        "Please provide the function.",
    ],
)
def test_nothing_extracted(response):
    assert not grade(response, "5", "math") and (
        extract(response, "math") is None or "5" not in extract(response, "math")
    )


@pytest.mark.parametrize(
    "response", ["I do not know.", "I don't know the value.", "I have no idea how to solve this."]
)
def test_giving_up_is_no_answer(response):
    assert extract(response, "math") is None and grade("I'm not sure, maybe 5", "5", "math")


def test_scibench_units():
    unit = "$10^{12} \\mathrm{~m} / \\mathrm{s}^2 $"
    for answer in (
        "1.92",
        "1.92 \\times 10^{12}",
        "1.92 \\times 10^{12}\\,\\mathrm{m/s^2}",
        "1.92e12 m/s^2",
        "1920000000000",
        "1.95e12 m/s²",
        "1.92e14 cm/s^2",
    ):
        assert grade(f"\\boxed{{{answer}}}", "1.92", "math", unit=unit, rel_tol=0.05), answer
    for answer in ("1.92 \\times 10^{11}", "1.92e12 kg", "2.1e12", "1.92 m/s^2"):
        assert not grade(f"\\boxed{{{answer}}}", "1.92", "math", unit=unit, rel_tol=0.05), answer
    assert grade(
        "The answer is therefore \\boxed{89,034.79}.", "89,034.79", "math", unit=" $", rel_tol=0.05
    )
    assert grade("\\boxed{-1.64}", "−1.642876", "math", rel_tol=0.05) and grade(
        "\\boxed{45^\\circ}", "45", "math", unit="$^\\circ$", rel_tol=0.05
    )
    assert grade("\\boxed{0.32}", "32", "math", unit=" %", rel_tol=0.05) and grade(
        "\\boxed{32\\%}", "32", "math", unit=" %", rel_tol=0.05
    )
    assert not grade("\\boxed{300}", "310", "math", unit="K") and grade(
        "\\boxed{300}", "310", "math", unit="K", rel_tol=0.05
    )


def test_any_of_several_references():
    assert grade("\\boxed{5}", ["4", "5"], "math") and not grade("\\boxed{6}", ["4", "5"], "math")


def test_quantities():
    assert (
        parse_quantity("1.2 × 10⁻³ mol L⁻¹").value == 0.0012
        and parse_quantity("x+1") is None
        and parse_quantity("3.14.15") is None
    )
    assert parse_quantity("25 °C").unit != parse_quantity("25 C").unit


def test_formula_reader():
    assert (
        abs(number("\\frac{9}{4}\\pi") - 7.0685834705770345) < 1e-12
        and number("x") is None
        and number("9^{9^{9^9}}") is None
    )
    assert (
        agree("__import__('os')", "1") is None
        and agree("x", "x^{1}") is True
        and agree("|x|", "x") is False
    )


@pytest.mark.parametrize(
    "response, reference",
    [
        (
            "Thus\r\n$$\r\n\\begin{aligned}\r\nS & = 20.0 + 4.4 \\\\\r\n= & 24.4 \\mathrm{~J} \\mathrm{~K}^{-1}\r\n\\end{aligned}\r\n$$\r\n",
            "24.4 J/K",
        ),
        (
            "The work is\n\\begin{align*}\nW &= Fd \\\\\n&= 5 \\cdot 3 \\\\\n&= 15\\ \\text{J}\n\\end{align*}",
            "15 J",
        ),
        ("so that\n\\[\nd = -\\arctan(1)\n\\cong -0.785\n\\]", "-0.785"),
        (
            "The force is $F=17 \\mathrm{kN}$ (using $1 \\mathrm{~J}=1 \\mathrm{~N} \\mathrm{~m}$).",
            "17 kN",
        ),
        (
            "Multiply the result by 100 to get the percentage: 126 * 12.6 = 144.4\n\nSo, the inflation rate in percent is 144.4.",
            "144.4",
        ),
        (
            "So, the determinant is 40.\n\nThis is the usual way to find the determinant of a 2x2 matrix.",
            "40",
        ),
        ("So, the answer is 72 hours.\n\nThe answer is within \\boxed{}.", "72 hours"),
        ("$$P=\\frac{\\left(\\begin{array}{l} 4 \\\\ 3 \\end{array}\\right)}{8}=0.5$$", "0.5"),
    ],
)
def test_displayed_solutions_end_with_their_last_row(response, reference):
    assert grade(response, reference, "math")
