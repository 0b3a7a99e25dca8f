"""Tokens of rows as the student will see them: its chat template, its tokenizer, no torch (used by
mix.py and select_rows.py; no command of its own).

The template is rendered in a sandbox; a tokenizer without a template counts question and answer.
"""

import json
from pathlib import Path

import rows as r

BATCH = 512  # rows tokenized at once, over all cores


def file_of(name, file):
    """A small file of a model: from its folder, or from the hub; None where it has none. Raises
    BadInput where the model is not to be had."""
    if Path(name).is_dir():
        path = Path(name) / file
        return path if path.is_file() else None
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    with r.hub_errors(f"--tokenizer {name}", name, "give the folder of the model"):
        try:
            return Path(hf_hub_download(name, file))
        except EntryNotFoundError as error:
            if isinstance(error, LocalEntryNotFoundError):  # out of reach
                raise
    return None


def chat_template(name):
    """(template text or None, special tokens by name) of a model."""
    config = file_of(name, "tokenizer_config.json")
    config = json.loads(config.read_text(encoding="utf-8")) if config else {}
    own = file_of(name, "chat_template.jinja")
    template = own.read_text(encoding="utf-8") if own else config.get("chat_template")
    if isinstance(template, list):  # several by name
        template = next((t["template"] for t in template if t["name"] == "default"), None)
    special = {
        key: value["content"] if isinstance(value, dict) else value
        for key, value in config.items()
        if key.endswith("_token") and value
    }
    return template, special


class Tokenizer:
    """The student's tokenizer and chat template.

    name    folder of a model, or its hub id
    lengths(list of message lists) -> list of token counts of the rendered conversations
    """

    def __init__(self, name):
        from tokenizers import Tokenizer as Fast

        self.name, file = str(name), file_of(name, "tokenizer.json")
        if file is None:
            raise r.BadInput(f"--tokenizer {name}: has no tokenizer.json")
        self.fast = Fast.from_file(str(file))
        self.fast.no_truncation()
        self.hash = r.file_hash(str(file))[:16]
        template, self.special = chat_template(name)
        self.template = template and self._compile(template)

    @staticmethod
    def _compile(template):
        import datetime

        import jinja2.ext
        import jinja2.sandbox

        def refuse(message):
            raise r.BadInput(f"the chat template refuses the row: {message}")

        # {% generation %} marks the answer for masks; it changes no text
        class Generation(jinja2.ext.Extension):
            tags = frozenset({"generation"})

            def parse(self, parser):
                next(parser.stream)
                return parser.parse_statements(["name:endgeneration"], drop_needle=True)

        environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols, Generation]
        )
        environment.filters["tojson"] = lambda value, **_: json.dumps(value, ensure_ascii=False)
        environment.globals.update(
            raise_exception=refuse, strftime_now=lambda form: datetime.datetime.now().strftime(form)
        )
        return environment.from_string(template)

    def render(self, messages):
        if self.template is None:
            return "\n".join(message["content"] for message in messages)
        return self.template.render(
            messages=messages,
            add_generation_prompt=False,
            tools=None,
            documents=None,
            **self.special,
        )

    def lengths(self, conversations):
        texts = [self.render(messages) for messages in conversations]
        return [
            len(encoded)
            for encoded in self.fast.encode_batch_fast(
                texts, add_special_tokens=self.template is None
            )
        ]


def conversation(row):
    """Messages of a row: prompt and completion, or question and answer."""
    if isinstance(row.get("prompt"), list):
        return [*row["prompt"], *row["completion"]]
    system = [{"role": "system", "content": row["system"]}] if row.get("system") else []
    return [
        *system,
        {"role": "user", "content": row["question"]},
        {"role": "assistant", "content": row["answer"]},
    ]


def counted(rows, tokenizer):
    """Yield (row, tokens) for each row, in order, counted in batches."""
    batch = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            yield from zip(batch, tokenizer.lengths([conversation(b) for b in batch]), strict=True)
            batch = []
    yield from zip(batch, tokenizer.lengths([conversation(b) for b in batch]), strict=True)
