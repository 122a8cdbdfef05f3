"""The embedded student: a small causal language model that is really trained on a laptop's CPU."""
