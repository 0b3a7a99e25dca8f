"""Attention of packed rows without a mask: each row attends to itself, at the cost of its length.

    register()      -> "packed_rows", a name for attn_implementation

On GPUs from Ampere on (sm_80) one call of torch's varlen_attn (FlashAttention's kernel) does all
rows of a batch; elsewhere SDPA goes through them one by one. Plain SDPA would get a dense mask: at
8,192 tokens more work than the rest of the layer. Sliding windows need the kernel; without it
their models are left to SDPA.
"""

import functools

NAME = "packed_rows"


def row_bounds(position_ids):
    """Where packed rows begin and end, under transformers' names: cu_seq_lens_q, an int32 tensor
    (rows + 1), and max_length_q, int.  position_ids  (1, tokens), from 0 in each row"""
    from transformers.modeling_flash_attention_utils import prepare_fa_kwargs_from_position_ids

    (bounds, _), (longest, _) = prepare_fa_kwargs_from_position_ids(position_ids)
    return {"cu_seq_lens_q": bounds, "max_length_q": int(longest)}


def collate_with_bounds(collate, examples):
    """A batch of packed rows by this collator that says where they begin and end."""
    batch = collate(examples)
    return batch | row_bounds(batch["position_ids"])


@functools.cache
def kernel():
    """torch's varlen_attn (from 2.11 on) where this GPU can run it, else None."""
    import torch

    if not torch.cuda.is_available() or torch.cuda.get_device_capability() < (8, 0):
        return None
    from torch.nn.attention.varlen import varlen_attn

    return varlen_attn


def varlen(query, key, value, bounds, longest, window, scaling):
    """(1, heads, tokens, size) in 16 bit -> (1, tokens, heads, size) by one kernel call."""
    from transformers.integrations.sdpa_attention import repeat_kv

    groups = query.shape[1] // key.shape[1]
    tensors = (query, repeat_kv(key, groups), repeat_kv(value, groups))
    tensors = (tensor[0].transpose(0, 1) for tensor in tensors)
    rows = (bounds, bounds, longest, longest)
    reach = (window - 1 if window else -1, 0)  # to the left, to the right
    return kernel()(*tensors, *rows, scale=scaling, window_size=reach).unsqueeze(0)


def row_by_row(module, query, key, value, bounds, **kwargs):
    """The same by SDPA, one row after the other, on a CPU and on GPUs before Ampere."""
    import torch
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    on_cpu = query.device.type == "cpu"  # its bf16 kernel takes twice the time of the fp32 one
    dtype = torch.float32 if on_cpu else compute_dtype(value)
    lengths = bounds.diff().tolist()
    parts = (tensor.to(dtype).split(lengths, dim=2) for tensor in (query, key, value))
    with torch.autocast(query.device.type, enabled=False):
        done = [
            sdpa_attention_forward(module, *row, None, **kwargs)[0]
            for row in zip(*parts, strict=True)
        ]
    return torch.cat(done, dim=1).to(query.dtype)


def compute_dtype(value):
    """The type attention runs in: autocast's where it is on, else that of the values."""
    import torch

    device = value.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else value.dtype


def is_packed(module, query, key, attention_mask, position_ids):
    """Is this one flattened batch of causal rows: no padding, no step of generation?"""
    flat = attention_mask is None and position_ids is not None and len(query) == 1
    return flat and query.shape[2] == key.shape[2] and getattr(module, "is_causal", True)


def attend(module, query, key, value, attention_mask, position_ids=None, **kwargs):
    """For AttentionInterface: (batch, heads, tokens, size) -> (batch, tokens, heads, size). What is
    not packed goes to plain SDPA."""
    import torch
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    bounds, longest = (kwargs.pop(name, None) for name in ("cu_seq_lens_q", "max_length_q"))
    if not is_packed(module, query, key, attention_mask, position_ids):
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    if bounds is None:  # no collator of ours: evaluation by hand, the packing check
        bounds, longest = row_bounds(position_ids).values()
    window, dtype = kwargs.pop("sliding_window", None), compute_dtype(value)
    if query.is_cuda and kernel() and dtype != torch.float32 and not kwargs.get("dropout"):
        tensors = (tensor.to(dtype) for tensor in (query, key, value))
        return varlen(*tensors, bounds, longest, window, kwargs.get("scaling")), None
    if window:  # the packing check then takes SDPA
        raise NotImplementedError("sliding windows need --attn_implementation sdpa")
    return row_by_row(module, query, key, value, bounds, **kwargs), None


def mask_of(batch_size, q_length, kv_length, *args, attention_mask=None, **kwargs):
    """No mask for one flattened batch, which attend() takes apart; SDPA's for everything else."""
    from transformers.masking_utils import sdpa_mask

    if attention_mask is None and batch_size == 1 and q_length == kv_length:
        return None
    return sdpa_mask(
        batch_size, q_length, kv_length, *args, attention_mask=attention_mask, **kwargs
    )


def register():
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, mask_of)
    return NAME
