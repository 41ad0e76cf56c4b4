"""Networks: encoder, decoder, one classifier per step, the frozen teacher, and normalisation layers."""
