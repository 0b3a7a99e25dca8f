"""Choices as models put them: verdicts by option, arrows, ordinals, elimination, values and words of an option without its letter; written by hand."""

import pytest

from answers import extract

CASES = {
    ('4 cm', '5 cm', '6 cm', '7 cm'): [
        # options listed again are no answer: read from a small model's runs
        ('A. 4 cm\nB. 5 cm\nC. 6 cm\nD. 7 cm', None), ('A. 4 m\nB. 5 m\nC. 6 m\nD. 7 m', None), ('A. 4 cm\nB. 5 cm\nC. 6 cm', None),
        ('The options are:\nA. 4 cm\nB. 5 cm\nC. 6 cm\nD. 7 cm', None), ('A. 4 cm\nB. 5 cm\nC. 6 cm\nD. 7 cm\nAnswer: 2', None), ('A. 4 cm', 'A'),
        ('A. 4 cm\nB. 5 cm\nC. 6 cm\nD. 7 cm\nE. 8 cm', None),
        ('A. 4 cm\nB. 5 cm\nC. 6 cm\nD. 7 cm\n\nB', 'B'), ('A. 4 cm\nB. 5 cm\nC. 6 cm\nD. 7 cm\n\nB. 5 cm', 'B'), ('B. 5 cm\n\nIt is twice as long.', 'B'),
        ('A. 4 m\nB. 5 m\nC. 6 m\nD. 7 m\n\n5 cm', 'B'), ('A. 4 m\nB. 5 m\nC. 6 m\nD. 7 m\nIt is twice the side, so 6 cm fits.', 'C'),
        ('The correct option would be C, since 6 cm is twice 3 cm.', 'C'), ('Option A is tempting, but the right choice is D.', 'D'),
        ('I would go with B.', 'B'), ("I'd choose (c).", 'C'), ('My answer: b', 'B'), ('answer is b) 5 cm', 'B'),
        ("It can't be A or B. C is too small. So we are left with D.", 'D'), ('Only C remains.', 'C'),
        ('A and B are wrong; C is wrong as well.', 'D'), ('Neither A nor C. Between B and D, B fits best.', 'B'),
        ('B, because the length doubles.', 'B'), ('**B**: 5 cm', 'B'), ('(B)', 'B'), ('B', 'B'), ('b', 'B'), ('b.', 'B'), ('B:', 'B'),
        ('[B]', 'B'), ('<B>', 'B'), ('{B}', 'B'), ('"B"', 'B'), ("'B'", 'B'), ('`B`', 'B'), ('Answer=B', 'B'), ('Ans. B', 'B'),
        ('Answer B', 'B'), ('ANSWER: OPTION B', 'B'), ('Choice: B', 'B'), ('Correct answer: (B) 5 cm.', 'B'), ('The length is 5 cm.', 'B'),
        ('5 cm', 'B'), ('Thus the length is 5cm, i.e. option B', 'B'), ('The perimeter is 5 cm + 2 cm = 7 cm.', 'D'),
        ('The length is 8 cm.', None), ('Both A and B are correct.', None), ('A or B', None),
        ('The answer is A. No wait, the answer is B.', 'B'), ('Let me think. A? No. B? Perhaps. C? Yes, C it is.', 'C'),
        ('A: 4 cm\nB: 5 cm\nC: 6 cm\nD: 7 cm\nThe answer: C', 'C'), ('A) false B) false C) true D) false', 'C'),
        ('A. Incorrect.\nB. Correct.\nC. Incorrect.\nD. Incorrect.', 'B'), ('A. ✗\nB. ✓\nC. ✗\nD. ✗', 'B'),
        ('Option A: incorrect because...\nOption B: incorrect because ...\nOption C: this is correct.\nOption D: incorrect', 'C'),
        ('\\boxed{\\text{B}}', 'B'), ('\\boxed{\\textbf{(B)}\\ 5}', 'B'), ('$\\boxed{B}$ is the final answer', 'B'),
        ('\\boxed{5 \\text{ cm}}', 'B'), ('\\boxed{5}', 'B'), ('\\boxed{8}', None),
        ('The final answer is: $\\boxed{C}$. I hope it is correct.', 'C'), ('The best answer is\n\n(D)', 'D'),
        ('The answer is:\n\nD. 7 cm', 'D'), ('### Answer\nD', 'D'), ('**Final Answer**\n\n**D) 7 cm**', 'D'), ('Therefore, D', 'D'),
        ('So, the answer must be D, not A.', 'D'), ("The answer is not A; it's D", 'D'), ('the correct answer is not B but rather A', 'A'),
        ('Answer: A (not B)', 'A'), ('Among the options, C matches our result of 6 cm.', 'C'), ('This corresponds to choice C.', 'C'),
        ('which is closest to option C', 'C'), ('closest option is 6 cm', 'C'), ('Statement C is the one that holds.', 'C'),
        ('The option that fits is C', 'C'), ('Hence (a).', 'A'), ('A triangle has three sides.', None), ('A cat sat.', None),
        ('{"answer": "C"}', 'C'), ('{"answer": 2}', None), ('answer: 3', None), ('Option 3', 'C'), ('The third option', 'C'),
        ('the second one', 'B'), ('The last option is correct.', 'D'), ('The answer is the first.', 'A'),
        ('The answer is C because D would require 7 cm.', 'C'), ('C > D so answer is D', 'D'), ('Selected: C', 'C'), ('I select C', 'C'),
        ('I pick option C.', 'C'), ('my choice is C', 'C'), ('(C) 6 cm is the answer', 'C'), ('6 cm (C)', 'C'), ('6 cm (option C)', 'C'),
        ('So 6 cm, C.', 'C'), ('C is the answer', 'C'), ('C is correct', 'C'), ('C is right.', 'C'), ('C seems right', 'C'),
        ('C would be the best choice', 'C'), ('It has to be C', 'C'), ('we get C', 'C'), ('leads to C', 'C'), ('Answer → C', 'C'), ('=> C', 'C'),
        ('∴ C', 'C'), ('The answer is C\n\nExplanation: A is wrong since ... B is wrong.. D is wrong', 'C'),
        ('Answer: C\n\nQuestion: What is ...\nAnswer: A', 'C'), ('正确答案是C', 'C'), ('答案:C', 'C'), ('La respuesta es C', 'C'),
        ('Die Antwort ist C.', 'C'), ('La réponse est C', 'C'),
    ],
    ('Paris', 'London', 'Berlin', 'Madrid'): [
        ("It's London.", 'B'), ('The capital is london', 'B'), ('Not London, but Madrid.', 'D'), ('I cannot determine the answer.', None),
        ('None of the above.', None), ('None of the options is correct.', None),
    ],
    ('Yes', 'No'): [
        ('Yes, it does.', 'A'), ('No.', 'B'),
    ],
    ('yes', 'no', 'maybe'): [
        ('The answer is yes', 'A'), ('Maybe; the evidence is mixed.', 'C'),
        ('The study suggests that it does not help. Therefore, the answer is no.', 'B'), ('There is no evidence, so no.', 'B'),
        ('It is unclear from the abstract; maybe.', 'C'), ('Yes, although no difference was found in men', 'A'),
    ],
    ('alpha', 'beta', 'gamma', 'delta', 'epsilon', 'zeta', 'eta', 'theta', 'iota', 'kappa'): [
        ('J', 'J'), ('The answer is (J) kappa', 'J'), ("I think it's kappa.", 'J'), ('The answer is I.', 'I'),
        ('I believe the answer is E', 'E'), ('I.', 'I'),
    ],
    ('Increase', 'Decrease', 'Remain the same', 'Cannot be determined'): [
        ('The pressure will increase because the temperature rises.', 'A'), ('It decreases.', 'B'), ('It will remain the same', 'C'),
        ("We can't say; it cannot be determined from the data.", 'D'), ('If we increase temperature, the volume decreases.', 'B'),
        ('**Correct answer: Increase**', 'A'), ('The correct answer is: Decrease.', 'B'), ('Answer: Remain the same', 'C'),
        ('answer: remains the same', 'C'), ("I'm going with increase", 'A'), ('I think B (decrease) is right, though A is common.', 'B'),
        ("Let's evaluate:\nA) Increase - no, since T falls.\nB) Decrease - yes, since T falls.\nC) Remain the same - no.\nD) Cannot be determined - no.", 'B'),
        ('A: No\nB: No\nC: Yes\nD: No', 'C'), ('Option A is incorrect, option B is incorrect, option C is incorrect, so option D.', 'D'),
        ('Options A, B and C can be eliminated.', 'D'), ('We can eliminate A and C. Of B and D, B is more plausible.', 'B'),
        ('The answer is either A or B, but A is more likely.', 'A'), ('Probably A, but I am not certain.', 'A'), ('Answer: A, B', None),
        ('Step 1: ...\nStep 2: ...\nThe final answer is A) Increase', 'A'), ('Final answer\nA', 'A'),
        ('Final Answer: \\(\\boxed{\\text{(A) Increase}}\\)', 'A'), ('**A.** Increase', 'A'), ('*A*', 'A'),
        ('Answer is: **A. Increase**. This is because ...', 'A'), ('Explanation: the gas expands. Thus, the temperature decreases. (B)', 'B'),
        ("... which is why the answer isn't A. It's B.", 'B'), ('Not A.', None), ('A is wrong.', None),
        ('The correct answer is option number 2.', 'B'),
    ],
    ('mitosis', 'meiosis', 'binary fission', 'budding'): [
        ('Bacteria reproduce by binary fission.', 'C'), ('Binary fission, unlike mitosis, occurs in bacteria.', 'C'),
        ('Gametes are made by meiosis, not mitosis.', 'B'), ('meiosis (B)', 'B'),
    ],
    ('1/2', '1/4', '3/4', '2/3'): [
        ('The probability is 1/4.', 'B'), ('P = 0.25', 'B'), ('0.75', 'C'), ('25%', 'B'), ('$\\frac{3}{4}$', 'C'),
        ('\\boxed{\\frac{2}{3}}', 'D'), ('The probability is 1 - 1/4 = 3/4', 'C'), ('one half', 'A'),
    ],
    ('10 N', '20 N', '30 N', '40 N'): [
        ('F = ma = 5 * 4 = 20 N', 'B'), ('The force is 20 newtons.', 'B'), ('20', 'B'), ('20.0 N', 'B'),
        ('The net force: 30 N - 10 N = 20 N', 'B'), ('0.02 kN', 'B'), ('≈ 20 N', 'B'), ('The answer is 25 N', None),
    ],
    ('They repel each other because both have positive charge.', 'They attract each other because they have opposite charges.', 'They do not interact.', 'They neutralize each other.'): [
        ('They attract each other because they have opposite charges', 'B'), ('The charges attract.', 'B'),
        ('opposite charges attract, so they attract each other', 'B'), ("They don't interact", 'C'),
    ],
    ('I only', 'II only', 'I and II', 'Neither I nor II'): [
        ('I and II are both true.', 'C'), ('Neither statement holds: Neither I nor II', 'D'), ('II only', 'B'), ('Answer: II only', 'B'),
        ('The answer is I only.', 'A'), ('(C) I and II', 'C'),
    ],
    ('H2O', 'CO2', 'O2', 'N2'): [
        ('water', None), ('H2O', 'A'), ('H₂O', 'A'), ('The gas is CO₂.', 'B'), ('CO2 is released; O2 is consumed. Answer: CO2', 'B'),
        ('$\\mathrm{N_2}$', 'D'), ('carbon dioxide (CO2)', 'B'),
    ],
    ('All of the above', 'x > 0', 'x < 0', 'None of these'): [
        ('All of the above are true.', 'A'), ('All of the above', 'A'), ('None of these', 'D'), ('x must be positive, i.e. x > 0', 'B'),
        ('x<0', 'C'), ('$x > 0$', 'B'),
    ],
    ('red', 'green', 'blue', 'pink'): [
        ('2', None), ('(2)', None), ('Answer: 2. green', 'B'), ('The colour is green', 'B'), ('greenish', None), ('Green!', 'B'),
        ("It's not red, green or blue. It's pink.", 'D'), ('Rose are red, but the sky is blue.', 'C'),
    ],
    ('True', 'False'): [
        ('The answer is True.', 'A'), ('This statement is false.', 'B'), ("That's correct.", 'A'), ('Incorrect.', 'B'), ('It is not true.', 'B'),
    ],
    ('no', 'yes'): [
        ('yes', 'B'),
    ],
    ('use a knife', 'use a spoon'): [
        ('Sol1 is better', None), ('Solution 2', 'B'), ('The first solution is better.', 'A'), ('You should use a spoon.', 'B'),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    "response, options, letter",
    [(response, options, letter) for options, cases in CASES.items() for response, letter in cases],
)
def test_choice(response, options, letter):
    assert extract(response, "choice", list(options)) == letter
