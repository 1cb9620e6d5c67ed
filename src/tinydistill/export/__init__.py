"""What is shown and shipped of a model."""
