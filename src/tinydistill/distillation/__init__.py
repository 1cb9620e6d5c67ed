"""The science of TinyBERT: what is observed, what is compared, and how a student starts."""
