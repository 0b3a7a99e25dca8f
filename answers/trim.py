"""A response without what is no part of its answer: thoughts, special tokens, turns that the model
invented.

    after_thinking("<think>maybe A</think>The answer is B.") -> "The answer is B."
    final_part("Answer: C<|im_end|>\\n<|im_start|>user\\nAnd now?") -> "Answer: C"
"""

import itertools
import re

THOUGHTS = re.compile(  # where a block of thoughts begins or ends
    r"""(?x)
    <\s*/?\s*(?i:(?:seed:)?(?:think|thinking|thought|reasoning|reflection|scratchpad))\s*>
    | \[/?THINK\] | <\|(?:begin|end)_of_thought\|> | ◁/?think▷      # Magistral; OpenThinker; Kimi
    | <\|channel\|>(?:analysis|commentary|final<\|message\|>)       # gpt-oss
    | \A\s*analysis(?=[A-Z]) | assistantfinal                       # its special tokens stripped
    """
)
SPECIAL = re.compile(
    r"""(?x) <[|｜][\w▁]{3,}[|｜]>(?:\s*assistant\b)? | </?s> | <EOS_TOKEN> | <end_of_turn> | \[/?INST\]
    | \A\s*assistant[ \t]*\n             # a header whose tokens were stripped
    """
)
NEXT_TURN = re.compile(
    r"""(?x) <(?:\|im_start\||\|start_header_id\||start_of_turn)>\s*user | <[|｜][uU]ser[|｜]> | \[INST\]
    | \n[ \t\#]{0,5}(?i:user|human|assistant)[ \t]*[:\n] # tokens of a template stripped
    """
)
NEXT_QUESTION = re.compile(  # "Question 2: ...", "**Problem.** ...", "### Instruction:"
    r"""(?x) \n[ \t\#*\[]{0,9} (?:(?:Next|New|Another)\ )?
    (?:Question|Problem|Q\d{0,3}|Exercise|Instruction|Input|Hint|Passage|Context)\b
    [ \t\]()\d*]{0,9} [:.]
    | \n\d{1,3}[.)]\s+(?:What|Which|Who|Why|When|Where|How|The\ following|If|A|An)\b.*\n\W?[aA][.)].*\n\W?[bB][.)]"""
)
ANSWER_TAG = re.compile(r"(?i)[<\[]\s*(/?)\s*(?:answer|final_answer|solution|ans)\s*[>\]]")


def thoughts(text):
    """[(start, end, does it end a block of thoughts)] of the marks of a text."""
    marks = THOUGHTS.finditer(text) if re.search(r"[<[◁]|analysis|assistantfinal", text) else ()
    return [(m.start(), m.end(), bool(re.search("[/]|end|final", m[0]))) for m in marks]


def after_thinking(text):
    """What a model says after its thoughts; "" where the thoughts never end and nothing stands
    before them."""
    text = text or ""
    marks = thoughts(text)
    start = max((end for _, end, ends in marks if ends), default=0)
    opened = [at for at, _, ends in marks if at >= start and not ends]
    return text[start : opened[0] if opened else None].strip()


def still_thinking(text):
    """Does a text open a block of thoughts that it never ends?"""
    marks = thoughts(text)
    return bool(marks) and not marks[-1][2]


def final_part(response):
    """The response without thoughts, invented turns, special tokens; what the last <answer> holds."""
    text = after_thinking(short_spaces(response or ""))
    turn = NEXT_TURN.search(text)
    if turn and SPECIAL.sub("", text[: turn.start()]).strip():
        text = text[: turn.start()]
    text = SPECIAL.sub("\n", text)
    tags = itertools.pairwise(ANSWER_TAG.finditer(text))
    tagged = [text[a.end() : b.start()] for a, b in tags if b[1] and not a[1]]
    return next(filter(str.strip, reversed(tagged)), text).replace("\r\n", "\n").strip()


def short_spaces(text):
    """Runs of blanks cut to three: patterns with several \\s* would take cubic time over them."""
    return re.sub(
        r"\s{4,}|\n{3,}", lambda run: "\n" * min(run[0].count("\n"), 2) or "   ", text.strip()
    )


def before_next_question(text):
    """The text up to each of the first twenty questions that a base model may have invented."""
    heads = (text[: m.start()].strip() for m in itertools.islice(NEXT_QUESTION.finditer(text), 20))
    return list(filter(None, heads))
