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

    sampling = {}
    if args.temperature > 0:
        sampling = dict(do_sample=True, temperature=args.temperature, top_p=args.top_p)
    streamer = TextStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
    new = merge_adapter.generate(
        model,
        tokenizer,
        [messages],
        max_new_tokens=args.max_new_tokens,
        streamer=streamer,
        **sampling,
    )[0]
    if new[-1] != tokenizer.eos_token_id:
        r.say(f"(cut at --max-new-tokens {args.max_new_tokens})")
    return tokenizer.decode(new, skip_special_tokens=True)


def talk(model, tokenizer, start, args):
    """A conversation on the terminal."""
    messages = list(start)
    while True:
        try:
            text = input("\nyou> " if sys.stdin.isatty() else "").strip()
        except EOFError:
            return
        if text in ("/quit", "/exit"):
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
    add("--top-p", type=float, default=1.0, metavar="X", help="sample from this mass (default 1)")
    add("--max-new-tokens", type=r.positive, default=1024, metavar="N", help="default 1024")
    add("--seed", type=int, default=42, metavar="N", help="seed of sampling (default 42)")
    args = parser.parse_args()
    from transformers import set_seed

    model, tokenizer = merge_adapter.load_for_use(args.model, args.adapter)
    set_seed(args.seed)
    start = [{"role": "system", "content": args.system}] if args.system else []
    if args.prompt is None:
        talk(model, tokenizer, start, args)
    else:
        answer(model, tokenizer, [*start, {"role": "user", "content": args.prompt}], args)


if __name__ == "__main__":
    r.run(main)
