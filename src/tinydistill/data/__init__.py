"""Text in, batches out: nothing here knows about distillation."""
