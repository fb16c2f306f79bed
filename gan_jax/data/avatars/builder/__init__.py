"""The TFDS builder of the avatars; TFDS wants it in a package folder of its own."""
