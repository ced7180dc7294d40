"""What networks are made of: heads and their loss, and what stands before them."""
