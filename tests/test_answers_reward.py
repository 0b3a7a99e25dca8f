"""answers.reward as the reward function of TRL's GRPOTrainer: two steps with the demo model."""

import pytest

import answers


@pytest.mark.slow
def test_two_steps_of_grpo_are_rewarded_by_answers(demo_model, tmp_path):
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    rows = [
        {
            "prompt": [{"role": "user", "content": f"How much is {n} + 1? Reply with the number."}],
            "reference_answer": str(n + 1),
            "kind": "math",
        }
        for n in range(1, 5)
    ]
    seen = []

    def reward(prompts, completions, **columns):
        rewards = answers.reward(prompts, completions, **columns)
        seen.append((completions, columns["reference_answer"], rewards))
        return rewards

    config = GRPOConfig(
        output_dir=str(tmp_path),
        max_steps=2,
        per_device_train_batch_size=4,
        num_generations=4,
        max_completion_length=24,
        bf16=False,
        use_cpu=True,
        report_to="none",
        save_strategy="no",
        logging_steps=1,
        seed=3,
    )
    trainer = GRPOTrainer(
        model=str(demo_model),
        reward_funcs=reward,
        args=config,
        train_dataset=Dataset.from_list(rows),
    )
    trainer.train()
    assert trainer.state.global_step == 2 and len(seen) == 2
    for completions, references, rewards in seen:
        assert set(rewards) <= {1.0, 0.0, None}
        for completion, reference, given in zip(completions, references, rewards, strict=True):
            correct = answers.check(completion[-1]["content"], reference, "math").correct
            assert given == (None if correct is None else float(correct))
    logged = [log["reward"] for log in trainer.state.log_history if "reward" in log]
    assert len(logged) == 2
