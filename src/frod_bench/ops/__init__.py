"""Operations: tensors in, tensors out. One folder an operation."""
