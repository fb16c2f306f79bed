"""Procedural 2-D avatars with exact ground truth: parameters -> image, landmarks, part masks.

The renderer is pure JAX; nothing here is imported by `import gan_jax`.
"""
