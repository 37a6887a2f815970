"""What runs cost before anything is spent: time, memory and disk."""
