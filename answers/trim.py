"""A response without what is no part of its answer: thoughts, special tokens, turns that the model
invented.

    after_thinking("<think>maybe A</think>The answer is B.") -> "The answer is B."
    final_part("Answer: C<|im_end|>\\n<|im_start|>user\\nAnd now?") -> "Answer: C"

The only place of the project that knows these marks; every script that reads a model's text goes
through it.
"""

import re

TAG = r"(?:seed:)?(?:think|thinking|thought|reasoning|reflection|scratchpad)"
THINK = re.compile(
    rf"""(?x)
    < \s* {TAG} \s* > | \[THINK\]       # DeepSeek-R1, Qwen3; Magistral
    | <\|begin_of_thought\|> | ◁think▷   # OpenThinker; Kimi
    | <\|channel\|>(?:analysis|commentary)  # gpt-oss
    """,
    re.I,
)
THINK_END = re.compile(
    rf"""(?x)
    < \s* / \s* {TAG} \s* > | \[/THINK\] | <\|end_of_thought\|> | ◁/think▷
    | <\|channel\|>final<\|message\|>
    | assistantfinal                     # gpt-oss, its special tokens stripped
    """,
    re.I,
)
STRIPPED_ANALYSIS = re.compile(r"analysis(?=[A-Z])")  # gpt-oss: "analysisWe need to find"
SPECIAL = re.compile(
    r"""(?x)
    <\|?(?:eot_id|im_end|endoftext|end|end_of_text|return|eos|EOS_TOKEN|end_of_turn|eom_id)\|?>
    | </?s> | \[/?INST\] | <｜end▁of▁sentence｜> | <\|(?:begin|end)_of_solution\|>
    | <\|im_start\|>\s*assistant | <\|start_header_id\|>\s*assistant\s*<\|end_header_id\|>
    | \A\s*assistant[ \t]*\n             # a header whose tokens were stripped
    """,
    re.I,
)
NEXT_TURN = re.compile(
    r"""(?x)
    <\|im_start\|>\s*user | <\|start_header_id\|>\s*user | <\|user\|> | <start_of_turn>\s*user
    | <｜User｜> | \[INST\] | \n[ \t]*(?:\#\#\#[ \t]*)?(?:Human|User)[ \t]*:
    | \n(?:user|human|assistant)[ \t]*\n # "Answer: C\nuser\n...": tokens of a template stripped
    """
)
NEXT_QUESTION = re.compile(
    r"""(?x)
    \n[ \t]*[#*]{0,4}[ \t]*\[?(?:(?:Next|New|Another)[ \t]+)?
    (?:Question|Problem|Q|Exercise|Instruction|Input|Hint|Passage|Context)\b\]?
    [ \t]*(?:\d{1,3}|\(\d{1,3}\))?[ \t]*(?:\*\*)?[ \t]*[:.]  # "Question 2: ...", "**Problem.** ..."
    (?![ \t]*\n?[ \t]*$)
    | \n[ \t]*\#\#\#[ \t]*(?:Instruction|Input|Question|Problem)\b
    | \n[ \t]*Q\d{0,3}[.:][ \t]
    """
)
NAMES = "(?:answer|final_answer|solution|ans)"
ANSWER_TAG = re.compile(
    rf"(?is)[<\[]\s*{NAMES}\s*[>\]]((?:(?![<\[]\s*/?\s*{NAMES}\s*[>\]]).){{1,5000}}?)[<\[]\s*/\s*{NAMES}\s*[>\]]"
)


def after_thinking(text):
    """What a model says after its thoughts; "" where the thoughts never end and nothing stands
    before them."""
    text = text or ""
    if not any(mark in text for mark in ("<", "[", "◁", "assistantfinal", "analysis")):
        return text.strip()
    ends = list(THINK_END.finditer(text))
    text = text[ends[-1].end() :] if ends else text
    if not ends and STRIPPED_ANALYSIS.match(text.lstrip()):
        return ""
    opened = THINK.search(text)
    return (text[: opened.start()] if opened else text).strip()


def still_thinking(text):
    """Does a text open a block of thoughts that it never ends?"""
    ends = list(THINK_END.finditer(text))
    return bool(THINK.search(text, ends[-1].end() if ends else 0))


def began_before(text):
    """Does a text end a block of thoughts that it never opened, because the prompt template had
    opened it?"""
    end = THINK_END.search(text)
    return bool(end) and not THINK.search(text, 0, end.start())


def final_part(response):
    """The response without thoughts, invented turns and special tokens; of several <answer> tags
    the last."""
    text = after_thinking(short_spaces(response or ""))
    turn = NEXT_TURN.search(text)
    if turn and SPECIAL.sub("", text[: turn.start()]).strip():
        text = text[: turn.start()]
    text = SPECIAL.sub("\n", text)
    tags = [tag for tag in ANSWER_TAG.findall(text) if tag.strip()] if "/" in text else ()
    return (tags[-1] if tags else text).replace("\r\n", "\n").strip()


def short_spaces(text):
    """Runs of blanks cut to three characters: patterns with several \\s* would take cubic time over
    them."""
    text = re.sub(r"[ \t]{4,}", "   ", re.sub(r"\n{3,}", "\n\n", text.strip()))
    return re.sub(r"\s{8,}", lambda run: "\n\n" if run[0].count("\n") > 1 else "   ", text)


def before_next_question(text, most=20):
    """The text up to each further question that a base model invents, shortest first; at most
    `most`."""
    for number, question in enumerate(NEXT_QUESTION.finditer(text)):
        if number == most:
            return
        if head := text[: question.start()].strip():
            yield head
