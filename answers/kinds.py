"""Which kind of comparison a row's reference answer allows."""

import re

LONGEST = 120  # characters; longer references are prose or proofs


def option_texts(options):
    """The texts of options given as a list or by letter, without letters in front; None for none."""
    options = list(options.values()) if isinstance(options, dict) else options
    if not isinstance(options, list) or not options:
        return None
    return [re.sub(r"^\(?[A-Z][).:]\s*", "", str(option)) for option in options]


def kind_of(reference, question="", options=None):
    """The kind under which `check` compares with this reference: an option's text or letter is a
    choice, a number or formula with at most three words math, up to four words a short text; None
    for prose or nothing."""
    text = reference.strip() if isinstance(reference, str) else ""
    if not 0 < len(text) <= LONGEST or "\n" in text:
        return None
    texts = option_texts(options) or ()
    if text in texts:
        return "choice"
    if re.fullmatch(r"\(?[A-J]\)?\.?", text):
        return "choice" if texts or re.search(r"(?m)^\s*\(?A[).:]\s*\S", question) else None
    if re.search(r"\d|\\[a-z]|[=^_]", text):
        words = re.findall(r"[A-Za-z]{3,}", re.sub(r"\\[A-Za-z]+", " ", text))
        return "math" if len(words) <= 3 else None
    return "short_text" if len(text.split()) <= 4 else None
