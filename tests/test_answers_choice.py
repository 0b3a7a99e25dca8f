"""Which option a response committed to: phrasings of many models, negations, lists, nothing committed."""

import pytest

from answers import extract, grade

FIVE = ["4 cm", "5 cm", "6 cm", "7 cm", "8 cm"]
CELL = ["Nucleus", "Mitochondrion", "Ribosome", "Golgi apparatus"]
ROMAN = ["I only", "II only", "I and II", "Neither I nor II"]
TEN = [f"value {i}" for i in range(10)]

COMMITTED = [
    # bare letters and wrappers
    ("B", CELL, "B"), ("B.", CELL, "B"), ("(B)", CELL, "B"), ("**B**", CELL, "B"), ("b", CELL, "B"), ("[B]", CELL, "B"), ("B)", CELL, "B"), ("`B`", CELL, "B"), ("$B$", CELL, "B"), ("<answer>B</answer>", CELL, "B"),
    ("GGGGG", TEN, "G"), ("\\boxed{B}", CELL, "B"), ("$\\boxed{\\text{B}}$", CELL, "B"), ("\\boxed{\\mathrm{(B)}}", CELL, "B"), ("\\boxed{B. 5 cm}", FIVE, "B"), ("\\boxed{5\\text{ cm}}", FIVE, "B"), ("B) 5 cm", FIVE, "B"),
    ("(b) 5 cm", FIVE, "B"), ("B: 5 cm", FIVE, "B"), ("B - 5 cm", FIVE, "B"), ("Option B", CELL, "B"), ("option (D)", FIVE, "D"), ("Choice B.", CELL, "B"), ("\\[\\boxed{\\textbf{(C)}\\ 6\\text{ cm}}\\]", FIVE, "C"),
    ("B\n\nThe mitochondrion makes ATP, while the nucleus (A) stores DNA.", CELL, "B"), ("**B. Mitochondrion**\n\nIt makes ATP.", CELL, "B"), ("B. It can't be A or C.", CELL, "B"), ("B, because A is the nucleus.", CELL, "B"),
    # statements
    ("Answer: B", CELL, "B"), ("**Answer:** B", CELL, "B"), ("**Answer: B**", CELL, "B"), ("### Answer\n\nB", CELL, "B"), ("Answer B", CELL, "B"), ("ANSWER:B", CELL, "B"), ("Ans. (B)", CELL, "B"), ("Final Answer: (B)", CELL, "B"), ("#### B", CELL, "B"),
    ("The answer is B.", CELL, "B"), ("The answer is (B).", CELL, "B"), ("the answer is b", CELL, "B"), ("So the correct answer is **B**.", CELL, "B"), ("Therefore, the correct option is B) Mitochondrion.", CELL, "B"),
    ("The best choice would be (B).", CELL, "B"), ("The answer to the question is option B, the mitochondrion.", CELL, "B"), ("The correct answer choice here is: \n\n(B) Mitochondrion", CELL, "B"), ("I would choose option B.", CELL, "B"), ("I'd go with B.", CELL, "B"),
    ("My answer is therefore B", CELL, "B"), ("The answer must be B since only it makes ATP.", CELL, "B"), ("Thus, (B) is the correct answer.", CELL, "B"), ("Option B is correct.", CELL, "B"), ("B is the right answer.", CELL, "B"), ("So B is correct.", CELL, "B"),
    ('{"reasoning": "ATP is made there", "answer": "B"}', CELL, "B"), ("{'answer': 'B'}", CELL, "B"), ("The final answer is $\\boxed{B}$. I hope it is correct.", CELL, "B"), ("答案是B。", CELL, "B"), ("因此选B", CELL, "B"), ("The correct answer is:\n\n**B. Mitochondrion**", CELL, "B"),
    ("The answer is A.", CELL, "A"), ("The answer is A because DNA is stored there.", CELL, "A"), ("The correct answer is A", CELL, "A"), ("The answer is I.", TEN, "I"), ("The answer is (I).", TEN, "I"), ("Answer: C. Explanation: (A) is a red herring.", CELL, "C"),
    ("The answer is for sure D, it can't be A or B", CELL, "D"), ("The answer: D, it doesn't make sense for it to be A or B", CELL, "D"), ("The answer is \"B\".", CELL, "B"), ("Answer = B", CELL, "B"), ("Answer -> B", CELL, "B"), ("Correct answer: B) Mitochondrion", CELL, "B"),
    ("The statement that is not true is C.", CELL, "C"), ("The only option that does not fit is (C).", CELL, "C"), ("The incorrect statement is C.", CELL, "C"), ("This corresponds to option (C).", CELL, "C"), ("which matches option C", CELL, "C"),
    ("The Faraday constant (F) is 96500 C. The mass is close to 5 cm, which is option (B).", FIVE, "B"), ("That gives option C.", CELL, "C"),
    # option texts
    ("The answer is mitochondrion.", CELL, "B"), ("Mitochondrion", CELL, "B"), ("It is the mitochondrion that makes most of the ATP.", CELL, "B"), ("The answer is the Golgi apparatus.", CELL, "D"), ("The length is 5 cm.", FIVE, "B"), ("Answer: 5", FIVE, "B"),
    ("Thus x = 5 cm", FIVE, "B"), ("The answer is 0.05 m.", FIVE, "B"), ("The answer is I only.", ROMAN, "A"), ("The answer is I and II.", ROMAN, "C"), ("I and II", ROMAN, "C"), ("The answer is neither I nor II.", ROMAN, "D"),
    ("The correct answer is both A and B.", ["x", "y", "Both A and B", "none"], "C"), ("The answer is 12", ["1", "2", "12", "21"], "C"), ("The answer is acute bronchitis", ["bronchitis", "acute bronchitis", "asthma"], "B"),
    ("The answer is \\(\\frac{1}{2}\\).", ["\\frac{1}{3}", "$\\frac{1}{2}$", "2"], "B"), ("The answer is $\\sqrt{2}$", ["2", "$\\sqrt{2}$", "$\\sqrt{3}$"], "B"), ("The answer is 1,200 J", ["120 J", "1200 J", "12 J"], "B"),
    # the last statement wins; negations, lists, questions and hypotheses do not count
    ("At first the answer seems to be A. But wait: the answer is C.", CELL, "C"), ("The answer is (A).\nLet me check.\nActually, the correct answer is (C).", CELL, "C"), ("The answer is not A. The answer is D.", CELL, "D"), ("The answer is D, not A.", CELL, "D"),
    ("Option A is wrong. Option B is incorrect. We rule out C. So it has to be option (D).", CELL, "D"), ("(A) is incorrect. (C) is incorrect. (D) is incorrect. Therefore (B) is correct.", CELL, "B"), ("If the answer were A, the cell would die. The answer is B.", CELL, "B"),
    ("Is the answer A? No. The answer is B.", CELL, "B"), ("Options: (A) Nucleus (B) Mitochondrion (C) Ribosome (D) Golgi apparatus. The answer is (C).", CELL, "C"), ("The result is a decrease in ATP. Answer: C", CELL, "C"), ("Option A is wrong ... \\[ \\boxed{C} \\]", CELL, "C"),
    ("We can eliminate A and D. Between B and C, B is correct.", CELL, "B"), ("The answer is B rather than C.", CELL, "B"), ("The answer is B, which is not C.", CELL, "B"), ("The correct answer isn't A; the correct answer is B.", CELL, "B"),
    ("Answer: B\n\nQuestion: Which gas do plants take up?\nA. Oxygen\nB. Argon\nC. Carbon dioxide\nAnswer: C", CELL, "B"), ("The answer is (B).\n\nQ: What is 2+2?\nA: The answer is (D).", CELL, "B"), ("Question: Which one?\nOptions: A B C D\n\nThe answer is B.", CELL, "B"),
    ("<think>It could be A or the answer is C.</think>\n\nThe answer is B.", CELL, "B"), ("<think>\nAnswer: A\n</think>B", CELL, "B"), ("The answer is B.<|im_end|>\n<|im_start|>user\nThe answer is C?", CELL, "B"), ("[INST] What? [/INST] The answer is B.</s>", CELL, "B"),
]  # fmt: skip

NOTHING = [
    ("", CELL), ("I do not know.", CELL), ("The answer is", CELL), ("None of the options is correct.", CELL), ("The answer is not among the options.", CELL), ("It cannot be determined from the text.", CELL), ("The answer is A or B.", CELL),
    ("<think>The answer is A because", CELL), ("<think>The answer is B.", CELL), ("A. Nucleus\nB. Mitochondrion\nC. Ribosome\nD. Golgi apparatus", CELL), ("The nucleus stores DNA and the ribosome makes proteins, and", CELL), ("Is it the nucleus or the ribosome?", CELL), ("Let us compute it. " * 30 + "Therefore,\n\\[\nx = 5 = 5_{1}", FIVE), ("There are (6 choose c) of them, and (4 choose a).", CELL), ("The closest option is the nucleus, which is not the correct answer.", CELL),
    ("Let us go through them. Option A is plausible because", CELL), ("The result is a decrease in the supply of", CELL), ("The cell is small. " * 40 + "The cell is", CELL), ("Which of the following? (A), (B), (C) or (D)", CELL), ("The answer is not B.", CELL), ("We can rule out B.", CELL), ("The answer is E.", CELL),
]  # fmt: skip

YES_NO = ["yes", "no"]
LABELS = [
    ("Yes, because the slope is positive.", YES_NO, "A"), ("No.", YES_NO, "B"), ("**No**, it is smaller.", YES_NO, "B"), ("The answer is yes.", YES_NO, "A"), ("Therefore, the answer is \"no\".", YES_NO, "B"), ("(B) No", YES_NO, "B"), ("Answer: Maybe", ["yes", "no", "maybe"], "C"),
    ("So the statement is false.", ["True", "False"], "B"), ("True. The tree has 17 leaves.", ["True", "False"], "A"), ("The label is entailment.", ["entailment", "not entailment"], "A"), ("The relation is not entailment.", ["entailment", "not entailment"], "B"),
    ("The sentiment of this review is negative.", ["positive", "negative", "neutral"], "B"), ("Label: neutral", ["positive", "negative", "neutral"], "C"), ("I cannot answer this.", YES_NO, None), ("Final decision: no", YES_NO, "B"), ("yes", YES_NO, "A"),
    ("The blue line is not above the red one.", YES_NO, "B"), ("The blue line is longer than the red one.", YES_NO, "A"), ("I'm sorry, I cannot see the image.", YES_NO, None), ("It may be longer.", YES_NO, None), ("There are (6 choose i) ways.", YES_NO, "A"),
]  # fmt: skip


@pytest.mark.parametrize("response, options, letter", COMMITTED, ids=range(len(COMMITTED)))
def test_committed(response, options, letter):
    assert extract(response, "choice", options) == letter


@pytest.mark.parametrize("response, options", NOTHING, ids=range(len(NOTHING)))
def test_nothing_committed(response, options):
    assert extract(response, "choice", options) is None


@pytest.mark.parametrize("response, options, letter", LABELS, ids=range(len(LABELS)))
def test_labels(response, options, letter):
    assert extract(response, "label", options) == letter


def test_grade_choice():
    assert grade("The answer is (B).", "B", "choice", CELL) and not grade(
        "The answer is (B).", "A", "choice", CELL
    )
    assert grade("The answer is (B).", ["A", "B"], "choice", CELL) and grade(
        "The answer is (B).", "Mitochondrion", "choice", CELL
    )
    assert grade("Yes.", "yes", "label", YES_NO) and grade("Yes.", "A", "label", YES_NO)
    assert not grade("", "A", "choice", CELL) and not grade("I cannot say.", "A", "choice", CELL)
    assert grade("The answer is Z", "Z", "choice", list("abcdefghijklmnopqrstuvwxyz"))


def test_unknown_kind():
    with pytest.raises(ValueError, match="kind"):
        extract("B", "letters", CELL)
