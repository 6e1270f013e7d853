"""What a text is: the kinds that people type, how words are compared, and words in scripts that put no spaces."""
