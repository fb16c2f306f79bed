"""gan_jax: a JAX research framework for GAN experiments."""
