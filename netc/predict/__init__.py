"""Published models at work: predictions, generated sequences, and what they are written as."""
