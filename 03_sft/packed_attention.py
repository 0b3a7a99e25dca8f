"""SDPA that works through packed rows one by one: attention of a packed sequence costs what its rows cost, not the square of its length.

    register() -> "sdpa_packed", a name for attn_implementation

Plain SDPA gets packed rows as one dense mask: on two CPU cores a third of a training step at 1,024 tokens. prepare_model.py checks, as for
every backend, that packed rows give the logits they have alone.
"""

NAME = "sdpa_packed"


def row_lengths(position_ids):
    """Lengths of the rows packed into one sequence, read off their positions (each row counts from 0); [] where there is but one."""
    starts = (position_ids[0] == 0).nonzero().flatten().tolist()
    if len(starts) < 2 or starts[0] != 0:
        return []
    return [
        after - start
        for start, after in zip(starts, [*starts[1:], position_ids.shape[-1]], strict=True)
    ]


def attend(module, query, key, value, attention_mask, position_ids=None, **kwargs):
    """Attention of (batch, heads, tokens, size) tensors as transformers' attention interface wants it; plain SDPA for whatever is not packed."""
    import torch
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    lengths = (
        row_lengths(position_ids)
        if position_ids is not None and len(query) == 1 and query.shape[2] == key.shape[2]
        else []
    )
    window = kwargs.get("sliding_window") or getattr(module, "sliding_window", None)
    if not lengths or window and max(lengths) > window or not getattr(module, "is_causal", True):
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, position_ids=position_ids, **kwargs
        )
    given = query.dtype
    if (
        query.device.type == "cpu"
    ):  # its bf16 kernel takes twice the time of the fp32 one at these lengths
        query, key, value = query.float(), key.float(), value.float()
    rows = zip(*(tensor.split(lengths, dim=2) for tensor in (query, key, value)), strict=True)
    with torch.autocast(query.device.type, enabled=False):
        return torch.cat(
            [sdpa_attention_forward(module, *row, None, **kwargs)[0] for row in rows], dim=1
        ).to(given), None


def register():
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    return NAME
