"""Objects from a configuration."""
