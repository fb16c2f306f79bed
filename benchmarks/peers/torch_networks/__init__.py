"""The networks in plain PyTorch, one family a module, equal in function to gan_jax's.

Each module has

    generator(work) -> nn.Module          forward(z [B, Z], label int64 [B] or None)
                                          -> pictures [B, C, H, W], float32
    discriminator(work) -> nn.Module      forward(pictures [B, C, H, W], label)
                                          -> logits [B], float32
    load(generator, discriminator, variables) -> None

`variables` are Flax's, `{"generator": {"params": …, …}, "discriminator": …}`, of NumPy arrays;
`load` raises ValueError where a leaf is left over, missing or of another shape. A style-based
generator has the two halves of its forward besides:

    map(z, label, track=True) -> ws [B, L, W]       `track` moves the average w
    synthesise(ws, noise="random") -> pictures [B, C, H, W]     or "none"

`leaves` fills layers from those variables; `spectral` normalises weights as gan_jax does. A phase
calls `spectral.track(network, False)` on a network whose vectors are not to move.
"""
