"""Networks seen from outside: what stands before their head, and what their layers do."""
