"""What several methods share. A file beside this package is a method; a file in it is not."""
