"""gan_jax beside plain PyTorch: the same networks, losses, batch and precision, in turns.

From the repository's root, with torch installed:

    python -m benchmarks.peers [--only=dcgan64,sngan32] [--repeats=5] [--json=FILE.jsonl]

A row is a work of `work.WORKS`. First both sides must agree: equal parameter counts, and equal
losses and gradient norms of every phase at equal weights. Then a process of each side runs a round,
and the next, in turns; the ratio is gan_jax's pictures a second over those of the faster PyTorch,
eager or compiled.
"""
