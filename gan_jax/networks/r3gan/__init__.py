"""R3GAN (Huang et al. 2024, "The GAN is dead; long live the GAN!"), its final configuration E.

Generator and discriminator mirror each other: at every resolution one transition and two inverted
bottlenecks with a grouped convolution, nothing normalised, the start kept tame by fix-up
initialisation (Zhang et al. 2019) instead. Resolutions double by bilinear resampling from a basis
of learnt 4x4 pictures, and halve to a depthwise 4x4 convolution. Widths and group sizes are those
of the paper's table 9.
"""

from gan_jax.networks.r3gan.discriminator import R3GANDiscriminator
from gan_jax.networks.r3gan.generator import R3GANGenerator

__all__ = ["R3GANDiscriminator", "R3GANGenerator"]
