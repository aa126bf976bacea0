"""Fuzzing of the whole derivation against an independent automatic differentiation."""
