"""One file a stage: objects are built from configuration, run, and an artifact is published."""
