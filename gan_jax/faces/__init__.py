"""Faces in pictures: found, and cut out as the avatars show theirs."""
