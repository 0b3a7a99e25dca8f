"""The looks of a response taken off: boxes, Markdown, LaTeX wrappers.

plain("so **(B)**, \\\\boxed{5}") -> "so (B),  Answer: 5 \\n"
"""

import re

from .units import to_ascii_math

WRAP = re.compile(
    r"\\(?:text|textbf|textit|textrm|textnormal|textsf|texttt|mathrm|mathbf|mathsf|mathit|operatorname|mbox|bf|rm|bold|boldsymbol)\s*\{([^{}]{0,400})\}"
)
NOISE = re.compile(
    r"\*{2,}|(?<![\d\s)])\*|\*(?![\d\s(])|`+|\\[()\[\],;:!> ]|\\q?quad\b|\$+|~|\\(?:left|right|displaystyle|bf|rm)\b|\\\\|</?(?:b|i|strong|em|u|p|answer|ans|final|br)\s*/?>|_{2,}|(?<!\w)_(?=\w)|(?<=\w)_(?![\w{])"
)
BOX = re.compile(
    r"(?:\\(?:boxed|fbox|framebox)|\x08oxed|(?<![A-Za-z\\])boxed(?=\{))\s*(\{|[A-Za-z0-9])"
)
MARKS = re.compile(r"[*`\\$~<_]")


def boxes(text):
    """(start, end, content) of every \\boxed{...} or \\fbox{...}, braces balanced; linear in the text."""
    found, at = [], 0
    for match in BOX.finditer(text):
        if match.start() < at:
            continue
        if match[1] != "{":
            found.append((match.start(), match.end(), match[1]))
            continue
        depth, at = 1, match.end()
        for at in range(match.end(), min(len(text), match.end() + 5000)):
            if text[at] in "{}" and text[at - 1] != "\\":
                depth += 1 if text[at] == "{" else -1
                if not depth:
                    found.append((match.start(), at + 1, text[match.end() : at]))
                    break
        at += 1
    return found


def plain(text):
    """Markdown, LaTeX wrappers and quotes of looks taken off; a box becomes a statement "Answer: ..."."""
    if "\\" in text or "oxed{" in text:
        found = boxes(text)
        if found:
            parts, at = [], 0
            for start, end, content in found:
                parts += [text[at:start], " Answer: ", content, " \n" if content.strip() else ""]
                at = end
            text = "".join(parts) + text[at:]
        for _ in range(2):
            text = WRAP.sub(r"\1", text)
    text = NOISE.sub("", text.replace("~", " ")) if MARKS.search(text) else text
    return text if text.isascii() else to_ascii_math(text)
