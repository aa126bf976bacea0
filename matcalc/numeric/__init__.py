"""Terms at numbers: evaluation, samples, certificates. Imports the language only, so that it cannot share a mistake."""
