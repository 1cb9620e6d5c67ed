"""Options of earlier versions, and what stands in their places: named in the error, listed in the changelog."""

RENAMED = {
    "distil": "distill",
    "distil.phases": "distill.phases",
    "distil.check_labels": "distill.check_labels",
    "distil.check_score": "distill.check_score",
    **{
        f"{stage}.{old}": new.format(stage=stage)
        for stage in ("general", "pretrain", "finetune", "intermediate", "prediction")
        for old, new in {
            "clip": "{stage}.gradient_clip_val",
            "accumulate": "{stage}.accumulate_grad_batches",
            "warmup": "scheduler.warmup",
            "weight_decay": "optimizer.weight_decay",
        }.items()
    },
    "mapping.strategy": "mapping (as in mapping=top)",
    "corpus.kind": "corpus (as in corpus=files)",
    "task.kind": "task (as in task=files)",
    **{
        f"task.{name}": f"++task.source.{name}"  # whether or not conf/ sets it for this task
        for name in (
            *("repo", "config", "directory", "tsv_text", "tsv_text_pair", "tsv_label", "tsv_header"),
            *("tsv_skip_damaged", "train_rows", "validation_rows"),
        )
    },
    "task.prediction.batch_sizes": "a sweep: -m prediction.batch_size=16,32",
    "task.prediction.learning_rates": "a sweep: -m prediction.learning_rate=1e-5,3e-5",
    "pipeline.general": "distill.start=general or distill.start=task",
    "trainer.kernels": "runtime.kernels",
    "trainer.keep_memory": "runtime.keep_memory",
    "trainer.workers": "runtime.num_workers",
    "trainer.progress": "trainer.enable_progress_bar",
    "trainer.validations": "general.val_check_interval and pretrain.val_check_interval",
    "trainer.checkpoint_minutes": "callbacks.checkpoint.train_time_interval.minutes",
    "logger.csv": "logger=csv or logger=none",
    "logger.project": "logger.wandb.project",
    "logger.group": "+logger.wandb.group",
    "debug.rows": "task.max_rows",
    "debug.share": "+trainer.limit_train_batches and task.train_share",
    "debug.overfit": "debug=overfit",
    "debug.profile": "debug=profile",
}
