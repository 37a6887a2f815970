"""Operations: tensors in, tensors out. One package per operation."""
