"""Talk to a model by its own chat template; the answer is shown while it is written.

    python 03_sft/chat.py --model data/runs/my/merged     # /new starts over, /quit or Ctrl-D ends
    python 03_sft/chat.py --model BASE --adapter DIR --prompt "Why is the sky blue?"

in   --model  folder or hub id (or the adapter's folder itself); --system a system prompt
out  the answer on stdout; on stderr a note where an answer was cut at --max-new-tokens
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import merge_adapter

import rows as r


def answer(model, tokenizer, messages, args):
    """The model's answer to a conversation as text, streamed to stdout."""
    from transformers import TextStreamer

    settings = {"max_new_tokens": args.max_new_tokens}
    if args.temperature > 0:
        settings |= dict(do_sample=True, temperature=args.temperature)
    streamer = TextStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
    (new,) = merge_adapter.generate(model, tokenizer, [messages], streamer=streamer, **settings)
    if new[-1] != tokenizer.eos_token_id:
        r.say(f"(cut at --max-new-tokens {args.max_new_tokens})")
    return tokenizer.decode(new, skip_special_tokens=True)


def talk(model, tokenizer, start, args):
    """A conversation on the terminal."""
    messages, asked = list(start), "\nyou> " if sys.stdin.isatty() else ""
    while True:
        try:
            text = input(asked).strip()
        except EOFError:
            return
        if text == "/quit":
            return
        if text == "/new":
            messages = list(start)
        elif text:
            messages.append({"role": "user", "content": text})
            reply = answer(model, tokenizer, messages, args)
            messages.append({"role": "assistant", "content": reply})


def main():
    parser = r.parser(__doc__)
    add = parser.add_argument
    add("--model", required=True, metavar="M", help="folder or hub id")
    add("--adapter", metavar="DIR", help="adapter on top of the model")
    add("--prompt", metavar="TEXT", help="ask this one thing and end")
    add("--system", metavar="TEXT", help="system prompt")
    add("--temperature", type=float, default=0.0, metavar="X", help="0: the likeliest token")
    add("--max-new-tokens", type=r.positive, default=1024, metavar="N", help="default 1024")
    args = parser.parse_args()
    model, tokenizer = merge_adapter.load_for_use(args.model, args.adapter)
    start = [{"role": "system", "content": args.system}] if args.system else []
    if args.prompt is None:
        talk(model, tokenizer, start, args)
    else:
        answer(model, tokenizer, [*start, {"role": "user", "content": args.prompt}], args)


if __name__ == "__main__":
    r.run(main)
