"""StarGAN v2 (Choi et al. 2020): a picture in the style of any domain, drawn or of a reference.

A style code comes of a latent and a domain (`MappingNetwork`) or of a picture and its domain
(`StyleEncoder`); the generator translates a picture by it. A domain is an int32 label. Weights
start as He et al. (2015) have it, biases at zero. Features at a resolution are
`channel_base / resolution`, at most `channel_max`: 64 at 256 pixels as published, and
`channel_base=2048` makes it 32 at 64 pixels.
"""

from gan_jax.networks.starganv2.discriminator import StarGANv2Discriminator
from gan_jax.networks.starganv2.generator import StarGANv2Generator
from gan_jax.networks.starganv2.mapping import MappingNetwork
from gan_jax.networks.starganv2.style_encoder import StyleEncoder

__all__ = ["MappingNetwork", "StarGANv2Discriminator", "StarGANv2Generator", "StyleEncoder"]
