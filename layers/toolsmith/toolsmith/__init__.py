"""Toolsmith: documents in, a language model that calls tools better out, with the proof beside it."""
