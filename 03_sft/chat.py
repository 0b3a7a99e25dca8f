"""Talk to a model by its own chat template; the answer is shown while it is written.

    python 03_sft/chat.py --model data/runs/my/merged     # /new starts over, Ctrl-D ends
    python 03_sft/chat.py --model BASE --adapter DIR --prompt "Why is the sky blue?"

in   --model  folder or hub id (or the adapter's folder itself)
out  the answer on stdout, the likeliest token each time; on stderr a note where it was cut at
     --max-new-tokens
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import merge_adapter

import rows as r


def answer(model, tokenizer, messages, limit):
    """The model's answer to a conversation as text, streamed to stdout."""
    from transformers import TextStreamer

    settings = dict(
        max_new_tokens=limit,
        streamer=TextStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True),
    )
    (new,) = merge_adapter.generate(model, tokenizer, [messages], **settings)
    if new[-1] != tokenizer.eos_token_id:
        r.say(f"(cut at --max-new-tokens {limit})")
    return tokenizer.decode(new, skip_special_tokens=True)


def talk(model, tokenizer, limit):
    """A conversation on the terminal."""
    messages, asked = [], "\nyou> " if sys.stdin.isatty() else ""
    while True:
        try:
            text = input(asked).strip()
        except EOFError:
            return
        if text == "/new":
            messages = []
        elif text:
            messages.append({"role": "user", "content": text})
            reply = answer(model, tokenizer, messages, limit)
            messages.append({"role": "assistant", "content": reply})


def main():
    parser = r.parser(__doc__)
    add = parser.add_argument
    add("--model", required=True, metavar="M", help="folder or hub id")
    add("--adapter", metavar="DIR", help="adapter on top of the model")
    add("--prompt", metavar="TEXT", help="ask this one thing and end")
    add("--max-new-tokens", type=r.positive, default=1024, metavar="N", help="default 1024")
    args = parser.parse_args()
    model, tokenizer = merge_adapter.load_for_use(args.model, args.adapter)
    if args.prompt is None:
        talk(model, tokenizer, args.max_new_tokens)
    else:
        prompt = {"role": "user", "content": args.prompt}
        answer(model, tokenizer, [prompt], args.max_new_tokens)


if __name__ == "__main__":
    r.run(main)
