"""Answer requests by transformers' generate, where vLLM cannot run (run_eval.py --backend): small
batches, some ten times slower than vLLM on a GPU.
"""

import itertools

import batch_generate
import rows as r

# prompts answered together: 2,048 tokens and 2,048 new ones take 0.6 GB of cache in an 8B model
BATCH = 16


def ask(requests, emit, setup):
    """Answer every request as batch_generate's engines do: emit(request, answer). setup: model,
    adapter, sampling."""
    batch_generate.check_gpu()
    model, tokenizer = load(setup["model"], setup["adapter"])
    own = model.generation_config.eos_token_id
    ends = {tokenizer.eos_token_id, *(own if isinstance(own, list) else [own])}
    # which gives a base model its template, too
    ends = {*ends, *batch_generate.prepare_chat(tokenizer)} - {None}
    while batch := list(itertools.islice(requests, BATCH)):
        made = answers(model, tokenizer, batch, ends, setup["sampling"])
        for request, answer in zip(batch, made, strict=True):
            emit(request, answer)


def load(name, adapter):
    """Model in 16 bits on the GPU where there is one (float16 before Ampere), in float32 on the
    CPU; and its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    device, dtype = "cpu", torch.float32
    if torch.cuda.is_available():
        modern = torch.cuda.is_bf16_supported(including_emulation=False)
        device, dtype = "cuda", torch.bfloat16 if modern else torch.float16
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
    return model.to(device).eval(), tokenizer


def answers(model, tokenizer, batch, ends, sampling):
    """Answers of one batch, as the raw file keeps them; a prompt that leaves no room for an answer
    is this request's error."""
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None) or 1 << 30
    how = dict(add_generation_prompt=True, tokenize=True, return_dict=False)
    how |= batch_generate.template_args(sampling)
    made, prompts = [], []
    for request in batch:
        ids = tokenizer.apply_chat_template(request["messages"], **how)
        made.append({"prompt_tokens": len(ids)})
        if len(ids) + sampling["max_tokens"] > context:
            made[-1] = {"error": f"a prompt of {len(ids)} tokens leaves no room in {context}"}
        else:
            prompts.append(ids)
    asked = [answer for answer in made if "error" not in answer]
    if asked:
        new = generate(model, tokenizer, prompts, batch[0]["seed"], ends, sampling)
        for answer, ids, tokens in zip(asked, prompts, new, strict=True):
            opened = batch_generate.ends_in_thinking(tokenizer.decode(ids[-8:]))
            answer |= finished(tokenizer, tokens, ends, opened)
    return made


def generate(model, tokenizer, prompts, seed, ends, sampling):
    """The new tokens of each prompt, padded behind the first end."""
    import torch

    how = dict(do_sample=False, temperature=None, top_p=None, top_k=None)
    if temperature := sampling["temperature"]:
        how = dict(do_sample=True, temperature=temperature, top_p=sampling["top_p"])
        how["top_k"] = sampling.get("top_k", 0)
    padded = tokenizer.pad({"input_ids": prompts}, return_tensors="pt").to(model.device)
    torch.manual_seed(seed)
    with torch.inference_mode():
        made = model.generate(
            **padded,
            max_new_tokens=sampling["max_tokens"],
            eos_token_id=sorted(ends),
            pad_token_id=tokenizer.pad_token_id,
            **how,
        )
    return made[:, padded["input_ids"].shape[1] :].tolist()


def finished(tokenizer, tokens, ends, opened):
    """One answer: its tokens up to the first end, and why it ended; opened: the prompt ended in a
    block of thoughts."""
    place = next((i for i, token in enumerate(tokens) if token in ends), None)
    finish = "length" if place is None else "stop"
    tokens = tokens if place is None else tokens[: place + 1]
    text = tokenizer.decode(tokens, skip_special_tokens=True)
    text = batch_generate.mark_thinking(text, finish) if opened else text
    return dict(response=text, finish_reason=finish, completion_tokens=len(tokens))
