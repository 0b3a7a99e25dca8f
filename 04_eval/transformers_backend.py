"""Answer requests by transformers' generate, where vLLM cannot run: small batches, and slow (some ten times slower than vLLM on a GPU).

Used by run_eval.py --backend transformers; no command of its own.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import itertools

import batch_generate
import rows as r

BATCH = 16  # prompts answered together; one of 2,048 tokens with 2,048 new ones takes about 0.6 GB of cache in an 8B model


def ask(requests, emit, setup):
    """Answer every request as batch_generate's engines do; emit(request, answer) -> requests to ask
    again. setup: model, adapter, sampling."""
    first = next(requests, None)
    if first is None:
        return
    batch_generate.check_gpu()
    model, tokenizer = load(setup["model"], setup["adapter"])
    requests, again = itertools.chain([first], requests), []
    while batch := again[:BATCH] or list(itertools.islice(requests, BATCH)):
        again = again[BATCH:]
        for request, made in zip(
            batch, answer(model, tokenizer, batch, setup["sampling"]), strict=True
        ):
            again += emit(request, made)


def load(name, adapter):
    """Model in 16 bits on the GPU where there is one (float16 before Ampere), in float32 on the
    CPU; and its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    dtype = torch.float32
    if torch.cuda.is_available():
        modern = torch.cuda.is_bf16_supported(including_emulation=False)
        dtype = torch.bfloat16 if modern else torch.float16
    try:
        tokenizer = AutoTokenizer.from_pretrained(adapter or name, padding_side="left")
        model = AutoModelForCausalLM.from_pretrained(name, dtype=dtype)
    except (OSError, ValueError) as error:
        raise r.BadInput(f"--model {name}: {str(error).splitlines()[0]}") from None
    if adapter:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, adapter).merge_and_unload()
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval(), tokenizer


def answer(model, tokenizer, batch, sampling):
    """Answers of one batch, as the raw file keeps them; a prompt that leaves no room for an answer
    is this request's error."""
    import torch

    ends = {tokenizer.eos_token_id, *as_list(model.generation_config.eos_token_id)} - {None}
    if not isinstance(batch[0]["messages"], str):
        ends |= set(batch_generate.prepare_chat(tokenizer))
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None) or 1 << 30
    prompts = [prompt_ids(tokenizer, request["messages"], sampling) for request in batch]
    asked = [  # (place of the request, prompt): one for each answer it wants
        (place, ids)
        for place, (request, ids) in enumerate(zip(batch, prompts, strict=True))
        for _ in request["ids"]
        if len(ids) + request["max_tokens"] <= context
    ]
    answers = [{"texts": [], "prompt_tokens": len(ids)} for ids in prompts]
    if asked:
        padded = tokenizer.pad({"input_ids": [ids for _, ids in asked]}, return_tensors="pt")
        torch.manual_seed(batch[0]["seed"])
        with torch.inference_mode():
            made = model.generate(
                **padded.to(model.device),
                max_new_tokens=max(request["max_tokens"] for request in batch),
                eos_token_id=sorted(ends),
                pad_token_id=tokenizer.pad_token_id,
                **how_to_sample(batch[0], sampling, tokenizer),
            )
        new = made[:, padded["input_ids"].shape[1] :].tolist()
        for (place, _), tokens in zip(asked, new, strict=True):
            budget, stops = batch[place]["max_tokens"], sampling.get("stop")
            answers[place]["texts"].append(finished(tokenizer, tokens, ends, budget, stops))
    return [
        one
        if one["texts"]
        else {"error": f"a prompt of {one['prompt_tokens']} tokens leaves no room in {context}"}
        for one in answers
    ]


def how_to_sample(request, sampling, tokenizer):
    """Arguments of generate for these sampling parameters; "model" leaves the model's own."""
    more = dict(stop_strings=sampling["stop"], tokenizer=tokenizer) if sampling.get("stop") else {}
    temperature = request.get("temperature", sampling["temperature"])
    if temperature == "model":
        return more
    if temperature == 0:
        return dict(do_sample=False, temperature=None, top_p=None, top_k=None, **more)
    top = dict(top_p=sampling["top_p"], top_k=sampling.get("top_k", 0))
    return dict(do_sample=True, temperature=temperature, **top, **more)


def prompt_ids(tokenizer, messages, sampling):
    if isinstance(messages, str):
        return tokenizer(messages).input_ids
    return tokenizer.apply_chat_template(
        messages,
        add_generation_prompt=True,
        tokenize=True,
        return_dict=False,
        **batch_generate.template_args(sampling),
    )


def finished(tokenizer, tokens, ends, budget, stops):
    """One answer: its tokens up to the first end, and why it ended."""
    place = next((i for i, token in enumerate(tokens) if token in ends), None)
    tokens = tokens[:budget] if place is None else tokens[: place + 1]
    text = tokenizer.decode(tokens, skip_special_tokens=True)
    cut = min((text.find(stop) for stop in stops or () if stop in text), default=None)
    reason = "length" if cut is None and place is None and len(tokens) >= budget else "stop"
    return dict(
        response=text if cut is None else text[:cut],
        finish_reason=reason,
        completion_tokens=len(tokens),
    )


def as_list(value):
    return value if isinstance(value, list) else [value]
