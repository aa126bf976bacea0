"""The calculus room: differentials, adjoints, the methods that tell a derivation, and how its answer is read."""
