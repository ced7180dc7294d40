"""What the tests read: families, links, models and simulations, with what is known of them."""
