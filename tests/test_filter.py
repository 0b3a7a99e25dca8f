"""filter_qa.py and extract_reference.py: rules on real kinds of text, scripted judges, references
that the answer must support."""

import json

import extract_reference
import filter_qa
import pytest
from conftest import read_jsonl, write_jsonl
from fake_server import FakeServer
from test_refine import call

import rows as r

EXPERIMENT = (
    "A student drops a ball of 2 kg from a tower that is 20 m high and takes the time with a clock. "
    "A second student drops a ball of 4 kg from the same place, on a day without wind, and takes the "
    "time as well. Each of them does so ten times. "
)
GOOD_ANSWER = "Since $F = ma$, we get $a = 2$ m/s$^2$."


@pytest.mark.parametrize(
    "question",
    [
        "Find the current in Fig. 3.",
        "Find $y$ by means of equation (4.2).",
        "Use Table 2.5 to find the heat of reaction.",
        "Show that Equation (2.5) holds for all $n$.",
        "Starting from Eq. 4, derive the rate law.",
        "What does Theorem 3.2 say about compact sets?",
        "Use Theorem 3.2 here. What does Theorem 3.2 say of compact sets?",
        "By Proposition 3.4 and Definition 2.1 the series converges. What is its sum?",
        "Refer to equation (5) and find its roots.",
        "Repeat Exercise 12 for a mass of 3 kg.",
        "What is the slope of the line in the figure?",
        "Which reaction is shown in the diagram?",
        "As shown in Table, what is the yield?",
        "Use the table below to compute the mean.",
        "Use the table below, where mass, speed and time stand,\nto find, for all bodies, the mean.",
        "What is the current in Figure 8?",
        "Figure 3 shows a loop with a bulb. What current flows in Figure 3?",
        EXPERIMENT + "How fast was it in the previous exercise?",
        "Compute the resistance of the circuit shown below in the figure.",
        "What is the current in the circuit shown in the figure below?",
        "According to the text, why do cells divide?",
        "What does the author claim about elasticity?",
        "Use the result of the previous problem to find $v$.",
        "What was the velocity in the preceding exercise?",
        "What is the aim of this chapter?",
        "In the above example, what happens if the mass is doubled?",
        "As described in the passage, what is osmosis?",
        "What is in the image? ![cell](images/cell.png)",
        "What does the accompanying graph tell about demand?",
        "Solve equation \\eqref{eq:wave} for $c$.",
        "Prove the bound of \\cite{knuth}.",
        "What does \\ref{fig:cell} show? Name two parts of \\ref{fig:cell}.",
        "Repeat (see figure/equation) for a mass of 3 kg.",
    ],
)
def test_a_question_that_points_outside_is_rejected(question):
    assert filter_qa.rule(question, GOOD_ANSWER)[0] == "outside reference", question


@pytest.mark.parametrize(
    "question",
    [
        "Using Table 1: heats of formation.\n| compound | kJ/mol |\n|---|---|\n| CO2 | -393.5 |\nFind the heat of combustion of carbon.",
        "From the table below, compute the mean.\n\n| x | f |\n|---|---|\n| 1 | 4 |\n| 2 | 6 |",
        "Let $$x^2 + y^2 = 1 \\tag{2.5}$$ be a curve. Show that Equation (2.5) describes a circle.",
        "Equation 1: $a + b = c$. Solve Equation 1 for $a$.",
        "Consider $x + y = 3$ (1) and $x - y = 1$ (2). Solve equations (1) and (2).\n$$x + y = 3 \\quad (1)$$",
        "How does a firm file for Chapter 11 bankruptcy?",
        "What is the aim of Chapter 11 reorganization in bankruptcy law?",
        "How many crossings has the figure 8 knot?",
        "We write the equation 4 * x + 600 = 10000. What is x?",
        "Section 1287 of a city ordinance grants a license to all. Is a refusal lawful?",
        "How many voters approved of Proposition 8 if 61 % of 1,000 did?",
        EXPERIMENT + "In the above experiment, how fast does it land?",
        "Fig. 1: A circuit with a 5 V source and a resistor of 10 ohm. What is the current in Fig. 1?",
        "Table 1: Group A mean 5, group B mean 7. Which group of Table 1 is better?",
        "Table 1: masses\nbody,mass,speed\na,1,2\nb,2,3\nWhich body in Table 1 is faster?",
        "Use the table below to find the mean.\nbody,mass,speed\na,1,2\nb,2,3",
        "Use the table below to find the mean.\nx\tf\n1\t4\n2\t6",
        "Jack put 12 apples on the table. How many are left on the table after he eats 3?",
        "She took 41 pictures at the zoo. How many of the pictures are left after she deletes 15?",
        "The first half of the book has 250 pages. How long does Jane read it at 10 pages a day?",
        "Sketch the graph of $y = x^2$ and find the area under the graph of $y$ between 0 and 1.",
        "A lens forms an image 10 cm from the object. What is the magnification of the image?",
        "Solve the following equation: $x^2 = 4$.",
        "Which of the following statements about the periodic table is true? A. It has rows. B. It has none.",
        "In what period of the periodic table does sodium stand?",
        "What is the cross section of the wire if the current in each section is 2 A?",
        "Prove that every compact set is closed.",
        "Problem 3.2. Show that $x^2 \\ge 0$ for all real $x$.",
        "**Theorem 1.** Every bounded sequence has a limit point. Prove Theorem 1.",
        "Let \\begin{equation} a = b \\label{eq:a} \\end{equation} Solve \\eqref{eq:a} for $b$.",
        "The acceleration of free fall is",
        "Every bounded sequence converges.",
        "Pick the larger of 3/4 and 5/7.",
        "Categorize silver chloride as an ionic or a covalent compound.",
        "Divide 49 into two parts whose ratio is 9 to 2.",
        "光合作用的产物是什么",
    ],
)
def test_a_question_that_stands_alone_stays(question):
    assert filter_qa.rule(question, GOOD_ANSWER) is None, question


@pytest.mark.parametrize(
    ("question", "answer", "reason"),
    [
        ("What is 2+2?", "", "no answer"),
        (" ", "4", "no question"),
        ("What is 2+2?", "N/A", "no answer"),
        ("Draw it. What is it?", "Answers will vary.", "no answer"),
        ("Prove it?", "Left as an exercise for the reader.", "no answer"),
        *(
            ("What is 2+2?", answer, "no answer")
            for answer in (
                *("The answer is not given.", "None given", "Solution omitted.", "TODO"),
                *("Same as above.", "The solution is not provided.", "Answer not available"),
            )
        ),
        ("What is 2+2?", "It is \\boxed{ }.", "empty box"),
        ("What is 2+2?", "It is \\boxed{\\text{ }}.", "empty box"),
        *(
            ("What is 2+2?", answer, "refusal")
            for answer in (
                "The passage does not describe how to add.",
                "The text does not explain this.",
                "I cannot find this information.",
                "There is not enough information to answer.",
            )
        ),
        ("What is 2+2?", "I'm sorry, but I cannot solve this.", "refusal"),
        ("What is 2+2?", "As an AI language model I have no numbers.", "refusal"),
        ("What is 2+2?", "The passage does not provide the value.", "refusal"),
        ("What is enthalpy?", "The given text does not define enthalpy.", "refusal"),
        ("What is enthalpy?", "Not stated in the passage.", "refusal"),
        ("What is the mass?", "The mass is not given in the text.", "refusal"),
        (
            "What is the mass?",
            "It is 5 kg. Wait, let me recheck: it is 6 kg.",
            "remark about itself",
        ),
        ("What is the mass?", "The original answer is wrong; it is 6 kg.", "remark about itself"),
        ("What is osmosis?", "What is osmosis?", "answer repeats the question"),
        ("What is osmosis?", "It is the flow of water. " * 8, "text repeats itself"),
        (
            "What is osmosis?",
            "It is the flow of water as shown in Figure 5.2.",
            "outside reference",
        ),
        (
            "What is osmosis?",
            "See the definition in the textbook, it is the flow of water.",
            "outside reference",
        ),
    ],
)
def test_each_rule_fires(question, answer, reason):
    assert filter_qa.rule(question, answer)[0] == reason


@pytest.mark.parametrize(
    "answer",
    [
        "We cannot divide by zero, hence $x \\neq 0$ and \\boxed{x=1}.",
        "Inserting (1) into the above equation gives $x = 2$.",
        "If no solution exists the matrix is singular; the determinant is $0$.",
        "The number is even: $n = 2k$. Then $n^2 = 4k^2$.\nThe number is odd: $n = 2k+1$. Then $n^2 = 4k^2 + 4k + 1$.",
        "The original solution of 5 mL is diluted to 50 mL, so its concentration falls to a tenth.",
        "We wait, on average, 5 minutes since the rate is 0.2 per minute.",
        "No.",
        "There is not enough information to determine $x$.",
        "Either none or $\\boxed{\\{1\\}}$.",
        "x",
        "∞",
    ],
)
def test_answers_that_stay(answer):
    assert filter_qa.rule("What follows for $x$?", answer) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Fine.\nFault: none\nDecision: YES", (True, None)),
        ("**Fault:** contradiction\n**Decision:** NO", (False, "judge: contradiction")),
        ("Fault: outside reference\nDecision: **No**", (False, "judge: outside reference")),
        ("Decision: NO", (False, "judge: other")),
        ("Fault: no task\nDecision: NO", (False, "judge: no task")),
        ("At first Decision: NO\nFault: none\nDecision: YES", (True, None)),
        ("<think>Decision: NO</think>YES", (True, None)),
        ("It looks fine to me", (None, "judge unreadable")),
        ("", (None, "judge unreadable")),
        ("<think>Decision: YES", (None, "judge unreadable")),
    ],
)
def test_decision_of_the_judge(text, expected):
    assert filter_qa.parse_judge(text) == expected


def rows():
    return [
        {
            "id": f"q{i}",
            "question": f"What is {i} plus {i}?",
            "answer": f"The sum of the two is {2 * i}.",
        }
        for i in range(5)
    ]


def test_rules_come_first_and_the_judge_decides_the_rest(tmp_path):
    given = [
        *rows(),
        {"id": "f", "question": "What is shown in Fig. 3?", "answer": "A cell."},
        {"id": "e", "question": "What is it?", "answer": ""},
    ]
    write_jsonl(tmp_path / "in.jsonl", given)

    def judge(messages, body):
        text = messages[-1]["content"]
        replies = {"1 plus": "Fault: contradiction\nDecision: NO", "2 plus": "hm", "3 plus": 400}
        return next(
            (reply for part, reply in replies.items() if part in text), "Fault: none\nDecision: YES"
        )

    with FakeServer(judge) as server:
        call(
            filter_qa,
            "--input",
            tmp_path / "in.jsonl",
            "--output",
            tmp_path / "out.jsonl",
            "--model",
            "scripted",
            "--base-url",
            server.url,
        )
        assert not any(
            "Fig. 3" in request["messages"][-1]["content"] for request in server.requests
        ), "no request for what a rule rejected"
    assert read_jsonl(tmp_path / "out.jsonl") == [given[0], given[4]]
    rejected = {row["id"]: row for row in read_jsonl(tmp_path / "out.rejected.jsonl")}
    assert {id_: row["reason"] for id_, row in rejected.items()} == {
        "q1": "judge: contradiction",
        "q2": "judge unreadable",
        "q3": "generation failed",
        "f": "outside reference",
        "e": "no answer",
    }
    assert (
        rejected["f"]["matched"] == "Fig. 3"
        and rejected["f"]["matched_in"] == "question"
        and rejected["q2"]["response"] == "hm"
    )


def test_without_judge_no_model_is_named(tmp_path, run_script):
    write_jsonl(
        tmp_path / "in.jsonl",
        [*rows(), {"id": "f", "question": "What is shown in Fig. 3?", "answer": "A cell."}],
    )
    run_script(
        "01_extract/filter_qa.py",
        "--input",
        tmp_path / "in.jsonl",
        "--output",
        tmp_path / "out.jsonl",
        "--no-judge",
    )
    assert (
        len(read_jsonl(tmp_path / "out.jsonl")) == 5 and not (tmp_path / "out.raw.jsonl").exists()
    )
    done = run_script(
        "01_extract/filter_qa.py",
        "--input",
        tmp_path / "in.jsonl",
        "--output",
        tmp_path / "x.jsonl",
        check=False,
    )
    assert done.returncode == 2 and "--model is needed" in done.stderr.splitlines()[-1]


def test_a_pair_that_lost_its_support_is_rejected_on_demand(tmp_path, run_script):
    pair = {"question": "What do plants take up from the air?", "answer": "Carbon dioxide."}
    given = [{"id": "a", **pair}] + [
        {"id": str(value), **pair, "grounded": value} for value in (True, False)
    ]
    write_jsonl(tmp_path / "in.jsonl", given)
    files = ("--input", tmp_path / "in.jsonl", "--output", tmp_path / "out.jsonl", "--no-judge")
    run_script("01_extract/filter_qa.py", *files, "--require-grounded")
    assert [row["id"] for row in read_jsonl(tmp_path / "out.jsonl")] == ["a", "True"]
    assert read_jsonl(tmp_path / "out.rejected.jsonl")[0]["reason"] == "not grounded"


@pytest.mark.parametrize("script", [filter_qa, extract_reference])
def test_a_field_that_is_no_text_is_named(tmp_path, script):
    write_jsonl(tmp_path / "in.jsonl", [{"id": "a", "question": "What?", "answer": None}])
    with pytest.raises(
        r.BadInput, match=r'in.jsonl, line 1: field "answer" must be a text, this is null'
    ):
        call(
            script,
            "--input",
            tmp_path / "in.jsonl",
            "--output",
            tmp_path / "out.jsonl",
            "--no-judge" if script is filter_qa else "--no-model",
        )


# ---- reference answers ----


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Long working, so $x = \\boxed{\\frac{1}{2}}$ m.", ("\\frac{1}{2} m", "box")),
        ("Since a holds, b. The answer is 42.", ("42", "stated")),
        ("48/2 = 24 clips, 48 + 24 = 72.\n#### 72", ("72", "stated")),
        ("Working ...\nFinal answer: (B)", ("(B)", "stated")),
        ("5.0 m/s", ("5.0 m/s", "whole")),
        ("The mitochondrion.", ("The mitochondrion", "whole")),
        (
            "a. It is 5.\nb. It is 6 since the answer is doubled there, and so on for every further case that one can think of here.",
            (None, None),
        ),
        (
            "Enzymes lower the activation energy. They do so by holding the substrate in place, which makes the step more likely.",
            (None, None),
        ),
        ("", (None, None)),
    ],
)
def test_reference_by_rule(answer, expected):
    assert extract_reference.by_rule(answer) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Final answer: 5 m/s", "5 m/s"),
        ("**Final answer:** $x=2$", "$x=2$"),
        ("Final Answer: \\boxed{7}", "7"),
        ("The final answer is: 7", "7"),
        ("Final answer: 1; 2\n\nNote: two parts", "1; 2"),
        ("Final answer: NONE", ""),
        ("final answer: none.", ""),
        ("42", "42"),
        ("I looked at it.\nThen I thought.\nNothing.", None),
        ("Final answer:", ""),
        ("Final answer: a\nFinal answer: b", "b"),
    ],
)
def test_reference_of_the_model_is_read(text, expected):
    assert extract_reference.parse(text) == expected


ANSWER = "The kinetic energy is $E = \\frac{1}{2} m v^2 = 25$ J, so the speed does not double; it grows by $\\sqrt{2}$ only, to 14 m/s."


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("25 J", True),
        ("E = \\frac{1}{2}mv^2", True),
        ("14 m/s", True),
        ("The speed does not double; it grows by $\\sqrt{2}$", True),
        ("kinetic energy of 25 J", True),
        ("14 metres per second", False),  # in other words, and not the answer's last value
        ("5 J", False),
        ("4 m/s", False),
        ("26 J", False),
        ("140 m/s", False),
        ("momentum is conserved", False),
        ("The speed never doubles", False),
        ("", False),
        ("word " * 200, False),
    ],
)
def test_a_reference_must_stand_in_the_answer(reference, expected):
    assert extract_reference.supported(reference, ANSWER) is expected


@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [
        ("It is about 26.5 Ω.", "26.5 ohm", True),
        ("So $x = 0.5$.", "\\frac{1}{2}", True),
        ("The energy is $5.0\\times10^{3}$ J.", "5000 J", True),
        ("So $x = 0.5$.", "\\frac{1}{3}", False),
        ("The energy is $5.0\\times10^{3}$ J.", "500 J", False),
    ],
)
def test_a_reference_may_be_an_equal_value(answer, reference, expected):
    assert extract_reference.supported(reference, answer) is expected


def test_references_by_rule_and_by_model(tmp_path):
    long = "The process takes place in many steps of which each is slow, and the whole is as slow as the slowest step, which is step number {}."
    given = [{"id": "box", "question": "Q?", "answer": "So \\boxed{5}"}]
    given += [
        {"id": f"m{i}", "question": f"How slow is it, case {i}?", "answer": long.format(i)}
        for i in range(5)
    ]
    write_jsonl(tmp_path / "in.jsonl", given)
    says = [
        "Final answer: the slowest step",
        "Final answer: the fastest stage",
        "Final answer: NONE",
        ("Final answer: it", "length"),
        "a\nb\nc",
    ]

    def name(messages, body):
        text = messages[-1]["content"]
        return next(reply for i, reply in enumerate(says) if f"case {i}?" in text)

    with FakeServer(name) as server:
        options = (
            "--input",
            tmp_path / "in.jsonl",
            "--output",
            tmp_path / "out.jsonl",
            "--model",
            "scripted",
            "--base-url",
            server.url,
        )
        call(extract_reference, *options)
        rows = read_jsonl(tmp_path / "out.jsonl")
        known = [(row["reference_answer"], row["reference_by"]) for row in rows[:2]]
        assert known == [("5", "box"), ("the slowest step", "model")]
        assert [row.get("reference_missing") for row in rows] == [
            None,
            None,
            "reference not supported",
            "no reference",
            "truncated",
            "unparsed",
        ]
        assert [row["reference_answer"] is None for row in rows] == [False] * 2 + [True] * 4
    call(
        extract_reference,
        "--input",
        tmp_path / "in.jsonl",
        "--output",
        tmp_path / "rules.jsonl",
        "--no-model",
    )
    missing = [row.get("reference_missing") for row in read_jsonl(tmp_path / "rules.jsonl")]
    assert missing == [None, *["no reference"] * 5]


def test_rules_on_real_questions(shared):
    """Real sets: hardly one of 2,000 self-contained questions is lost, and the textbook exercises
    that lean on others are seen."""
    solved = [
        json.loads(line) for line in open(shared / "qa" / "gsm8k_train.jsonl", encoding="utf-8")
    ]
    fired = [broken for row in solved if (broken := filter_qa.rule(row["question"], row["answer"]))]
    assert not fired
    exercises = [
        json.loads(line)
        for line in open(shared / "qa" / "openstax_problem_solutions.jsonl", encoding="utf-8")
    ]
    words = ("preceding problem", "previous problem", "preceding example")
    leaning = [row for row in exercises if any(word in row["question"].lower() for word in words)]
    assert len(leaning) >= 20 and all(
        filter_qa.rule(row["question"], row["answer"]) for row in leaning
    )


@pytest.mark.parametrize(
    ("question", "lost"),
    [
        (
            "How many edges must be removed so that no cycle is left in the graph with 5 nodes and 7 edges?",
            False,
        ),
        (
            "A hash table has 5 rows. Which keys in the table collide under h(k) = k mod 5 for 3, 8, 10?",
            False,
        ),
        ("A thread waits in this section of code for a lock. What is this called?", False),
        ("Use the result of part (a) to find the current.", True),
        ("(a) Find the charge. (b) Use the result of part (a) to find the current.", False),
        ("As Figure 5.2 shows, sales grow. Why? [Figure: sales | alt: a rising line]", False),
        (
            "As shown in the figure, AB, BC and CA are equal,\nso are D, E and F. How long is AB?",
            True,
        ),
    ],
)
def test_references_that_hold_are_told_from_those_that_do_not(question, lost):
    broken = filter_qa.rule(question, "It is so, since it must be.")
    assert (broken is not None and broken[0] == "outside reference") == lost, broken
