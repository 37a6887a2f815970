"""What the paper and its released code say, each claim held against what can be measured here."""
