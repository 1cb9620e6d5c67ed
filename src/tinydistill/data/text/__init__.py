"""Plain text as blocks of token ids."""
