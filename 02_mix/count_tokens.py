"""Tokens of rows as the student will see them: its chat template, its tokenizer, no torch (used by
mix.py and select_rows.py; no command of its own).

A tokenizer without a template counts question and answer.
"""

import itertools
import json
from pathlib import Path

import rows as r

BATCH = 512  # rows tokenized at once, over all cores
FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
SPECIAL = {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token"}


def folder_of(name):
    """The folder of a model, or of its tokenizer's files from the hub; raises BadInput where it is
    not to be had."""
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download

    with r.hub_errors(f"--tokenizer {name}", name, "give the folder of the model"):
        return Path(snapshot_download(name, allow_patterns=FILES))


class Tokenizer:
    """The student's tokenizer and chat template; name: folder of a model, or its hub id."""

    def __init__(self, name):
        from tokenizers import Tokenizer as Fast

        self.name, folder = str(name), folder_of(name)
        file, config, template = (folder / file for file in FILES)
        if not file.is_file():
            raise r.BadInput(f"--tokenizer {name}: has no tokenizer.json")
        self.fast = Fast.from_file(str(file))
        self.fast.no_truncation()
        self.hash = r.file_hash(str(file))[:16]
        config = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
        self.template = config.get("chat_template")
        if template.is_file():
            self.template = template.read_text(encoding="utf-8")
        elif isinstance(self.template, list):  # several by name
            named = {entry["name"]: entry["template"] for entry in self.template}
            self.template = named.get("default")
        self.special = {}
        for name in config.keys() & SPECIAL:
            token = config[name]
            self.special[name] = token["content"] if isinstance(token, dict) else token

    def render(self, conversations):
        """The texts of lists of messages in the chat template, in transformers' sandbox."""
        if self.template is None:
            return ["\n".join(turn["content"] for turn in turns) for turns in conversations]
        import jinja2
        from transformers.utils.chat_template_utils import render_jinja_template

        try:
            return render_jinja_template(
                conversations, chat_template=self.template, **self.special
            )[0]
        except jinja2.TemplateError as error:
            raise r.BadInput(f"the chat template refuses a row: {error}") from None

    def lengths(self, conversations):
        """The tokens of each list of messages."""
        texts, special = self.render(conversations), self.template is None
        return list(map(len, self.fast.encode_batch_fast(texts, add_special_tokens=special)))


def conversation(row):
    """Messages of a row: prompt and completion, or question and answer."""
    if isinstance(row.get("prompt"), list):
        return [*row["prompt"], *row["completion"]]
    talk = [("user", row["question"]), ("assistant", row["answer"])]
    if row.get("system"):
        talk.insert(0, ("system", row["system"]))
    return [{"role": role, "content": text} for role, text in talk]


def counted(rows, tokenizer):
    """Yield (row, tokens) for each row, in order, counted in batches."""
    rows = iter(rows)
    while batch := list(itertools.islice(rows, BATCH)):
        yield from zip(batch, tokenizer.lengths([*map(conversation, batch)]), strict=True)
